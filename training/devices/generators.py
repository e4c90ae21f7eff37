"""torch's own generators of random numbers, which belong to the user: a run draws from generators that it makes itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def kept() -> Iterator[None]:
    """Those of the CPU and of every device are afterwards as they were, whatever a sampler or an encoder has seeded meanwhile."""
    before = [(put_back, state()) for state, put_back in _in_use()]
    try:
        yield
    finally:
        for put_back, state in before:
            put_back(state)


def _in_use() -> list[tuple[Callable[[], Any], Callable[[Any], None]]]:
    """(what tells the state, what sets it). A device that nothing has used yet has none."""
    found: list[tuple[Callable[[], Any], Callable[[Any], None]]] = [(torch.get_rng_state, torch.set_rng_state)]
    for name in ("cuda", "xpu"):
        module = getattr(torch, name, None)
        if module is not None and module.is_initialized():
            found.append((module.get_rng_state_all, module.set_rng_state_all))
    if torch.backends.mps.is_available():
        found.append((torch.mps.get_rng_state, torch.mps.set_rng_state))
    return found
