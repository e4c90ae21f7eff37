"""Which MemoryChoice a run takes, and which one after it when memory runs out all the same. Pure: numbers in, a choice out."""

from __future__ import annotations

from dataclasses import replace

from ..wording import count
from .choice import ALL, CHEAP, DEVICE, NONE, PAGED, MemoryChoice

_RECOMPUTED = {
    ALL: "every block is computed twice", CHEAP: "norms and activation functions are computed twice", NONE: "no block is computed twice",
}


def cheaper(choice: MemoryChoice) -> MemoryChoice | None:
    """The next one that takes less memory, and more time; None where there is none."""
    if choice.recompute == NONE:
        return replace(choice, recompute=ALL)
    return None


def in_words(choice: MemoryChoice) -> str:
    """'every block is computed twice, and what is kept of them lies in main memory'."""
    named = choice.recompute
    said = [_RECOMPUTED[named] if isinstance(named, str) else f"{count(len(named), 'block')} computed twice"]
    if choice.activations != DEVICE:
        said.append("what is kept for backward waits in main memory")
    if choice.state != DEVICE:
        said.append("the optimizer's state is paged" if choice.state == PAGED else "the optimizer's state waits in main memory")
    return ", ".join(said)
