"""`make cards`: which models a card trains, and how, for docs/cards.md: predicted by the plan of a run, without a card or a file.

Every model is ComfyUI's own at full size on `meta`; one step of it is rehearsed on fake tensors, and the way is chosen as Train LoRA's
`memory` 'auto' chooses it. `python benchmarks/cards.py [name ...]` prints the rows of these models alone.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from benchmarks import workload  # noqa: E402

GIB = 2**30
CARDS = (6, 8, 10, 12, 16, 24)
TAKEN = 1.0
"""GiB of a card that the driver, the desktop and ComfyUI's own reserve have taken before anything is loaded: assumed."""
COMPUTED = "bf16"
RANK = 16


@dataclass(frozen=True)
class Row:
    """A model of tests/comfy/full_size.py, its weights `stored` in so many bytes each; `frames` are those of a latent clip."""

    title: str
    family: str
    side: int
    stored: int = 2
    frames: int = 1


ROWS = (
    Row("SD1.5, 512", "sd15", 512),
    Row("SDXL, 1024", "sdxl", 1024),
    Row("FLUX.1, 512, bf16", "flux", 512),
    Row("FLUX.1, 512, fp8", "flux", 512, stored=1),
    Row("FLUX.1, 1024, bf16", "flux", 1024),
    Row("FLUX.1, 1024, fp8", "flux", 1024, stored=1),
    Row("Z-Image, 1024, bf16", "z_image", 1024),
    Row("Z-Image, 1024, fp8", "z_image", 1024, stored=1),
    Row("Qwen-Image, 1024, bf16", "qwen_image", 1024),
    Row("Qwen-Image, 1024, fp8", "qwen_image", 1024, stored=1),
    Row("Wan 2.1 / 2.2 14B, a picture of 512, bf16", "wan", 512),
    Row("Wan 2.1 / 2.2 14B, a picture of 512, fp8", "wan", 512, stored=1),
    Row("Wan 2.1 / 2.2 14B, 17 frames of 512, fp8", "wan", 512, stored=1, frames=5),
)
#: GiB beside the weights that were measured on a card (gpu.md), by family, side and what was recomputed.
MEASURED = {("sd15", 512, "none"): 0.96, ("sd15", 512, "all"): 0.31, ("sdxl", 1024, "all"): 1.10}


def main(names: Sequence[str]) -> None:
    workload.start_comfyui()
    found = {row: _costs(row) for row in ROWS if not names or row.family in names}
    text = _page(found)
    print(text)
    if not names:
        (HERE.parent / "docs" / "cards.md").write_text(text, encoding="utf-8")


def _costs(row: Row):
    """What a step of it takes in any way."""
    import torch

    from pack.host.header.bare import bare_model
    from pack.host.header.step import Work, step_cost
    from pack.tests.comfy import full_size
    from pack.tests.comfy.newer_configs import completed
    from pack.training.network.spec import NetworkSpec
    from pack.training.run.room.way import costs_of
    from pack.training.specs import AUTO, RunSpec

    name, config = full_size.CONFIGS[row.family]
    models = importlib.import_module("comfy.supported_models")
    config = getattr(models, name)(completed(SimpleNamespace(module=importlib.import_module), config))
    bare = bare_model(config, torch.float8_e4m3fn if row.stored == 1 else torch.bfloat16, torch.bfloat16)
    work = Work(side=row.side, frames=row.frames, network=NetworkSpec(rank=RANK, alpha=RANK), run=RunSpec(precision=COMPUTED, memory=AUTO))
    cost = step_cost(bare, work)
    assert cost is not None, f"nobody knows what a caption is to {row.family}"
    print(f"{row.title}: rehearsed", file=sys.stderr, flush=True)
    return costs_of(cost, main_memory=True)


def _page(found: dict) -> str:
    head = "| | the model, GiB | " + " | ".join(f"{card} GB" for card in CARDS) + " |\n|---|---|" + "---|" * len(CARDS)
    rows = [f"| {row.title} | {costs.weights / GIB:.1f} | {' | '.join(_cell(row, costs, card) for card in CARDS)} |"
            for row, costs in found.items()]
    return "\n".join([_BEFORE, head, *rows, _AFTER, *_compared(found), ""])


def _cell(row: Row, costs, card: int) -> str:
    from pack.training.memory.choose import choose
    from pack.training.run.room.way import FILLED

    free = (card - TAKEN) * GIB
    way = choose(costs, int(FILLED * free))
    if way.total > free:
        return "no"
    seen = "\\*" if (row.family, row.side, way.choice.recompute) in MEASURED else ""
    return f"{way.beside / GIB:.1f}{seen}: {_how(way, costs)}"


def _how(way, costs) -> str:
    """'whole, 12 of 57 twice, activations away'."""
    stays = way.on_device / costs.weights
    again = way.choice.recompute
    said = ["whole" if stays > 0.995 else f"{100 * stays:.0f} % stays"]
    if again != "none":
        said.append(f"{again if isinstance(again, str) else f'{len(again)} of {len(costs.saves)}'} twice")
    said += ["activations away"] if way.choice.activations != "device" else []
    said += ["state away"] if way.choice.state != "device" else []
    return ", ".join(said)


def _compared(found: dict) -> list[str]:
    """What was predicted beside what was measured, where anything was."""
    from pack.training.memory.choice import MemoryChoice

    said = []
    for (family, side, recompute), measured in MEASURED.items():
        for row, costs in found.items():
            if (row.family, row.side) == (family, side):
                predicted = costs.beside(MemoryChoice(recompute=recompute)) / GIB
                said.append(f"| {row.title} | {recompute} | {predicted:.2f} | {measured:.2f} | {predicted / measured:.2f} |")
    return said


_BEFORE = f"""# What fits on which card
**Predicted, not measured**, but for what is marked: `make cards` writes this page. One step of ComfyUI's own model at full size is gone
through on tensors that have shapes and no numbers, and the way is chosen as `memory` *auto* on Train LoRA chooses it. Rank {RANK},
batch 1, the usual layers, AdamW with its state in fp32, computed in {COMPUTED}; {TAKEN:.0f} GiB of a card is taken to be gone to the
driver, the desktop and ComfyUI's own reserve.

Every cell: GiB beside the model, and how it is gone about. *whole*: all of the model stays on the card; *40 % stays*: as much as fits,
the rest waits in main memory and is fetched ahead of its use, which costs time, the more the less stays (the copies take up to an
eighth of the card, out of what stays). *12 of 57 twice*: so many blocks are computed again in backward instead of being kept; *cheap
twice*: only norms and activation functions of all are; *activations away*, *state away*: what is kept for backward, what the optimizer
keeps, waits in main memory (a quarter GiB of it may be on its way, which is not counted). *no*: no way fits. \\*: this model and way
were seen on a card (below).
"""
_AFTER = """
The main memory must hold the model as well, and what waits there. VAE and text encoders are there at their own time, before the steps,
and are not in these figures; ComfyUI puts them away as it does when it samples. A batch of 2 or a higher resolution takes more: Train
LoRA says how much. A run chooses by what is really free when it begins, so that another program on the card changes the way, and says
what it chose in the log.

## What was measured
On an NVIDIA H200 ([benchmarks/gpu.md](../benchmarks/gpu.md)), GiB beside the weights. No card of the table's sizes was at hand, and no
other model was measured: what is not below is the plan's word alone.

| | blocks computed twice | predicted | measured | predicted / measured |
|---|---|---|---|---|"""


if __name__ == "__main__":
    main(sys.argv[1:])
