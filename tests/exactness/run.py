"""Plan and allocator, side by side: `python tests/exactness/run.py` for every case, `... 9 13` for those of these numbers, `... sd15 sdxl
flux` for models of full width (SDXL: some 14 GB of memory)."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

BOUND = 0.05


def main(chosen: list[str]) -> int:
    from benchmarks import workload

    workload.start_comfyui()
    torch.set_num_threads(1)
    from pack.tests.exactness.cases import FULL, cases

    narrow = dict(enumerate(cases()))
    if unknown := [name for name in chosen if name not in FULL and name not in map(str, narrow)]:
        sys.exit(f"no case {', '.join(unknown)}: there are 0 to {len(narrow) - 1}, and {', '.join(FULL)}")
    runs = [run for name in chosen for run in (FULL[name] if name in FULL else [narrow[int(name)]])] or list(narrow.values())
    worst = max(_line(run) for run in runs)
    print(f"{len(runs)} runs, at most {worst:.1%} beside what was held")
    return int(worst > BOUND)


def _line(run) -> float:
    """Prints what was found, and gives the error."""
    from pack.tests.exactness.measure import measure, model_of

    gc.collect()  # the model of the run before hangs on circles
    found = measure(run, model_of(run))
    print(f"{run.family:5} {run.algorithm:8} {run.optimizer:10} batch {run.batch} x {run.accumulation}, {run.bucket[0]}x{run.bucket[1]}, "
          f"{run.precision}, recompute {run.recompute:5}: plan {found.planned / 2**20:8.1f} MiB, held {found.held / 2**20:8.1f}, "
          f"{found.error:+.1%}", flush=True)
    return abs(found.error)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
