"""Weights that lie in main memory, brought to the device before they are used.

A layer's weight is asked for in forward, in the recomputation of its block and in backward, in an order that repeats. What is held is
always what will be used next, as much of it as the budget takes: the nearest uses are fetched while the layers before them
compute, and what will not be needed for longest is let go (Belady's rule, with the order foreseen instead of known). So weights
that a recomputed block has just used are still there for its backward. A use that was not foreseen fetches then and there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Generic, Protocol, TypeVar

from .foresight import Foresight, Key

Asked = TypeVar("Asked", bound=Hashable, contravariant=True)
Copy = TypeVar("Copy")

#: How many uses ahead are looked at, several blocks of a large model: it is done at every use.
LOOKED_AT = 64


class Mover(Protocol[Asked, Copy]):
    """How weights come to the device. `fetch` and `release` return at once; the device does it in its own time."""

    def size(self, key: Asked, /) -> int:
        """Bytes of its copy."""
        ...

    def fetch(self, key: Asked) -> Copy | None:
        """Begin to copy. None when the device has no room."""
        ...

    def arrive(self, copy: Copy) -> None:
        """What is computed from now on waits until the copy is whole."""
        ...

    def release(self, copy: Copy) -> None:
        """Its memory may be used again, once all that is computing now is done."""
        ...


class Ahead(Generic[Key, Copy]):
    """At most `budget` bytes of copies at a time."""

    def __init__(self, mover: Mover[Key, Copy], budget: int, foresight: Foresight[Key] | None = None):
        self._mover = mover
        self._budget = budget
        self._foresight = foresight if foresight is not None else Foresight[Key]()
        self._held: dict[Key, Copy] = {}
        self._sizes: dict[Key, int] = {}
        self._in_use: Counter[Key] = Counter()

    @contextmanager
    def use(self, key: Key) -> Iterator[Copy | None]:
        """While open, the copy of `key`'s weights, to compute with: they stay. None where the budget has no room for them."""
        self._foresight.saw(key)
        in_use = self._in_use
        in_use[key] += 1
        try:
            self._hold_what_comes(key)
            copy = self._held.get(key)
            if copy is not None:
                self._mover.arrive(copy)
            yield copy
        finally:
            in_use[key] -= 1

    def close(self) -> None:
        """Let everything go, what is in use too: nobody computes any more. What was learned of the order stays."""
        for key in list(self._held):
            self._let_go(key)
        self._in_use = Counter()

    def _hold_what_comes(self, key: Key) -> None:
        wanted = self._wanted(key)
        for one in wanted:
            if one in self._held:
                continue
            self._make_room(self._size(one), wanted)
            copy = self._mover.fetch(one)
            if copy is None:
                self._give_way()
                return
            self._held[one] = copy

    def _wanted(self, key: Key) -> dict[Key, None]:
        """What is in use, `key`, and what is used after it, the nearest first, as much as there is room for."""
        wanted: dict[Key, None] = {used: None for used in self._held if self._in_use[used]}
        room = self._budget - sum(self._size(used) for used in wanted)
        for one in self._upcoming(key):
            size = self._size(one)
            if one in wanted or size > self._budget:
                continue
            if size > room:
                break
            room -= size
            wanted[one] = None
        return wanted

    def _upcoming(self, key: Key) -> Iterator[Key]:
        yield key
        yield from islice(self._foresight.coming(), LOOKED_AT)

    def _make_room(self, size: int, wanted: dict[Key, None]) -> None:
        for key in [held for held in self._held if held not in wanted]:
            if self._bytes() + size <= self._budget:
                return
            self._let_go(key)

    def _give_way(self) -> None:
        """The device is full: what computes there goes before what will."""
        self._budget //= 2
        for key in [held for held in self._held if not self._in_use[held]]:
            self._let_go(key)

    def _let_go(self, key: Key) -> None:
        self._mover.release(self._held.pop(key))

    def _size(self, key: Key) -> int:
        if key not in self._sizes:
            self._sizes[key] = self._mover.size(key)
        return self._sizes[key]

    def _bytes(self) -> int:
        return sum(self._size(key) for key in self._held)
