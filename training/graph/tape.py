"""What was recorded of a computation: its operations in the order in which they ran, forward, backward and what is computed again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


class Unrecordable(Exception):
    """Why a computation cannot be replayed, as the end of a sentence that begins with 'it'."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A tensor of the tape, by its number."""

    number: int


@dataclass(frozen=True, slots=True)
class Call:
    """`func(*args, **kwargs)`, with a Slot for every tensor, made the tensors `made` (None: it is none), in a list if `is_many`. It wrote
    into the slots `written`."""

    func: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    made: tuple[int | None, ...]
    is_many: bool
    written: frozenset[int]

    def used(self) -> list[int]:
        """The numbers of the slots among its arguments."""
        return [slot.number for slot in slots_in((self.args, self.kwargs))]


@dataclass(frozen=True, kw_only=True)
class Tape:
    """`inputs` are given anew each time, `fixed` tensors are there before and after: weights, adapters, constants. `memory` tells which
    slots lie in the same memory. `results` are those of the computation, None where one of them is none."""

    calls: Sequence[Call]
    inputs: Sequence[int]
    fixed: Mapping[int, Tensor] = field(repr=False)
    memory: Mapping[int, int] = field(repr=False)
    results: Sequence[int | None]


def slots_in(value: Any) -> Iterator[Slot]:
    """Every Slot in nested arguments."""
    if isinstance(value, Slot):
        yield value
    elif isinstance(value, (list, tuple)):
        for entry in value:
            yield from slots_in(entry)
    elif isinstance(value, dict):
        yield from slots_in(tuple(value.values()))
