"""Where a step's memory goes: what is computed twice instead of kept, and what waits in main memory. No choice changes a bit of
what is learned on a CPU, so a run that is resumed may choose anew."""

from __future__ import annotations

from dataclasses import dataclass

ALL, CHEAP, NONE = "all", "cheap", "none"
DEVICE, MAIN_MEMORY, PAGED = "device", "main memory", "paged"


@dataclass(frozen=True)
class MemoryChoice:
    """`recompute` says which blocks compute their inside again in backward: 'all', 'none', 'cheap' (all of them, but only norms and
    activation functions: results of matrix products and attention are kept), or the blocks' names (`checkpointing.unit_name`).
    `activations` lie on the 'device' or in 'main memory' between forward and backward. The optimizer's `state` lies on the
    'device', 'paged' (bitsandbytes' 8-bit optimizers, which let the driver move it) or in 'main memory' between updates.

    Raises ValueError for anything else.
    """

    recompute: str | tuple[str, ...] = ALL
    activations: str = DEVICE
    state: str = DEVICE

    def __post_init__(self) -> None:
        if isinstance(self.recompute, list):
            raise ValueError("recompute must be a tuple of names")
        for name, value, allowed in (
            ("recompute", self.recompute if isinstance(self.recompute, str) else ALL, (ALL, CHEAP, NONE)),
            ("activations", self.activations, (DEVICE, MAIN_MEMORY)),
            ("state", self.state, (DEVICE, PAGED, MAIN_MEMORY)),
        ):
            if value not in allowed:
                raise ValueError(f"{name} is '{value}', but must be one of: {', '.join(allowed)}.")

    def recomputes(self, unit: str) -> bool:
        """Whether the block of that name computes anything again in backward."""
        return self.recompute in (ALL, CHEAP) or (self.recompute != NONE and unit in self.recompute)

    @property
    def checkpointing(self) -> bool | tuple[str, ...]:
        """The blocks that are recomputed whole, as `attached` takes them."""
        return self.recompute if isinstance(self.recompute, tuple) else self.recompute == ALL


def by_hand(gradient_checkpointing: bool) -> MemoryChoice:
    """What the switch of before `memory` means."""
    return MemoryChoice(recompute=ALL if gradient_checkpointing else NONE)
