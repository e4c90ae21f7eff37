"""Plan and allocator, side by side: `python tests/exactness/run.py` for every case, `... 9 13` for those of these numbers, `... sd15 sdxl
flux` for models of full width (SDXL: some 14 GB of memory), `... depth` for plans of FLUX with few blocks and with all (no weights).

Each run has a process of its own: what one leaves behind would be counted as the next one's."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

BOUND = 0.05
DEPTH = "depth"


def main(chosen: list[str]) -> int:
    _start()
    from pack.tests.exactness.cases import FULL, cases

    narrow = dict(enumerate(cases()))
    if unknown := [name for name in chosen if name not in (*FULL, DEPTH) and name not in map(str, narrow)]:
        sys.exit(f"no case {', '.join(unknown)}: there are 0 to {len(narrow) - 1}, and {', '.join((*FULL, DEPTH))}")
    named = [FULL[name] if name in FULL else [narrow[int(name)]] for name in chosen if name != DEPTH]
    runs = [run for several in named for run in several] if chosen else list(narrow.values())
    start = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"  # forked, ComfyUI is there already
    with multiprocessing.get_context(start).Pool(1, maxtasksperchild=1) as apart:
        errors = [*apart.imap(_line, runs), *(_depths() if DEPTH in chosen else ())]
    print(f"{len(errors)} lines, at most {max(errors):.1%} apart")
    return int(max(errors) > BOUND)


def _start() -> None:
    """Once in a process; one that was forked has it from the other."""
    if "pack" not in sys.modules:
        from benchmarks import workload

        workload.start_comfyui()
        torch.set_num_threads(1)


def _line(run) -> float:
    """Prints what was found, and gives the error."""
    _start()
    from pack.tests.exactness.measure import measure, model_of

    found = measure(run, model_of(run))
    print(f"{run.family:5} {run.algorithm:8} {run.optimizer:10} batch {run.batch} x {run.accumulation}, {run.bucket[0]}x{run.bucket[1]}, "
          f"{run.precision}, recompute {run.recompute:5}: plan {found.planned / 2**20:8.1f} MiB, held {found.held / 2**20:8.1f}, "
          f"{found.error:+.1%}", flush=True)
    return abs(found.error)


def _depths() -> Iterator[float]:
    """Prints what few blocks of FLUX foretell of more, and of all, beside their plan, and gives the errors."""
    from pack.tests.exactness.depth import FEW, WAYS, WHOLE, foretold, plan

    few = {depth: plan(depth) for depth in FEW}
    for depth in ((1, 1), WHOLE):
        planned = plan(depth)
        for way in WAYS:
            told = foretold(few, depth, way)
            error = told / planned[way] - 1
            print(f"flux  {depth[0]:2} + {depth[1]:2} blocks, recompute {way:5}: foretold {told / 2**20:8.1f} MiB, "
                  f"plan {planned[way] / 2**20:8.1f}, {error:+.2%}", flush=True)
            yield abs(error)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
