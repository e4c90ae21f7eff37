"""How fast a device multiplies."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from ..errors import Contained
from .backend import backend

SIDE, SIDE_ON_CPU = 2048, 512
_TIMES = 5


def product_speed(device: torch.device, dtype: torch.dtype, clock: Callable[[], float] = time.perf_counter) -> float | None:
    """FLOPs a second in a large matrix product, the best of a few, which take some milliseconds and 24 MiB. None where the device cannot
    multiply in `dtype`, or torch cannot wait for it."""
    side = SIDE_ON_CPU if device.type == "cpu" else SIDE
    wait = _waiting(device)
    if wait is None:
        return None
    with Contained(), torch.no_grad():
        one = torch.ones(side, side, dtype=dtype, device=device)
        best = min(_seconds(one, wait, clock) for _ in range(_TIMES))
        return 2 * side**3 / best if best > 0 else None
    return None


def _seconds(one: torch.Tensor, wait: Callable[[], None], clock: Callable[[], float]) -> float:
    wait()
    started = clock()
    torch.mm(one, one)
    wait()
    return clock() - started


def _waiting(device: torch.device) -> Callable[[], None] | None:
    if device.type == "cpu":
        return lambda: None
    synchronize = getattr(backend(device), "synchronize", None)
    if synchronize is None:
        return None
    return synchronize if device.type == "mps" else lambda: synchronize(device)
