"""Which MemoryChoice a run takes, and which one after it when memory runs out all the same. Pure: numbers in, a choice out."""

from __future__ import annotations

from dataclasses import replace

from .choice import ALL, NONE, MemoryChoice


def cheaper(choice: MemoryChoice) -> MemoryChoice | None:
    """The next one that takes less memory, and more time; None where there is none."""
    if choice.recompute == NONE:
        return replace(choice, recompute=ALL)
    return None
