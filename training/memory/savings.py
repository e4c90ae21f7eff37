"""Which settings would take less memory, and how much less, by what the plan says: for the message that says that there is too little."""

from __future__ import annotations

from collections.abc import Mapping

from ..optim.kinds import optimizers
from ..optim.spec import OptimizerSpec
from ..specs import BY_HAND, RunSpec

_SMALL_STATE = "AdamW8bit"
_SMALLER_SIDE = 0.75


def savings(run: RunSpec, optimizer: OptimizerSpec, parameters: int, *, now: int, recomputed: int) -> Mapping[str, int]:
    """Setting -> bytes, where there are any. `now` is what a micro-batch of the run keeps for backward, `recomputed` what it would
    with gradient checkpointing."""
    pictures = run.batch_size * run.gradient_accumulation
    recompute = "gradient_checkpointing" if run.memory == BY_HAND else "memory 'least'"
    found = {
        f"{recompute} on Train LoRA": now - recomputed,
        f"batch_size 1 with gradient_accumulation {pictures} on Train LoRA": round(now * (1 - 1 / run.batch_size)),
        f"{_SMALL_STATE} on Optimizer": round(parameters * (optimizer.kind.state_bytes - optimizers.get(_SMALL_STATE).state_bytes)),
        f"{_SMALLER_SIDE:.0%} of the resolution on Bucket Config": round(now * (1 - _SMALLER_SIDE**2)),
    }
    return {setting: size for setting, size in found.items() if size > 0}
