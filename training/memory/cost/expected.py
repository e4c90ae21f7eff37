"""How long a step should take: what its rehearsal counted, at the speeds of the device. It is on the long side, for it is held against
steps that are said to be too slow: nothing is taken to happen at the same time as anything else."""

from __future__ import annotations

from .trace import Effort

EFFICIENCY = 0.1
"""Of the speed of a large product, what a whole step reaches at least. SD1.5 at 512 px on an H200 came near it, by its maker's figure for
products: the card computed for 36 ms of a step (benchmarks/gpu.md)."""
CALL = 6e-5
"""Seconds that the host takes for an operation, Python around it included: 45 to 60 microseconds there."""
LINK = 5e9
"""Bytes a second between main memory and the device: half of what the oldest slot in use does."""


def expected_seconds(effort: Effort, moved: int, product: float) -> float:
    """Of a step of that `effort` in which `moved` bytes come from main memory and go there, on a device that makes `product` FLOPs a second
    in a large matrix product."""
    return effort.flops / (EFFICIENCY * product) + effort.calls * CALL + moved / LINK
