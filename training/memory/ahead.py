"""Weights that lie in main memory, brought to the device before they are used.

A layer's weight is asked for in forward, in the recomputation of its block and in backward, in an order that repeats. What is held is
always what will be used next, as much of it as the budget takes: the nearest uses are fetched while the layers before them
compute, and what will not be needed for longest is let go (Belady's rule, with the order foreseen instead of known). So weights
that a recomputed block has just used are still there for its backward. A use that was not foreseen fetches then and there.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

from .foresight import Foresight, Key

Asked = TypeVar("Asked", bound=Hashable, contravariant=True)
Copy = TypeVar("Copy")

#: How many uses ahead are claimed at most: several blocks of a large model.
LOOKED_AT = 128


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
    """At most `budget` bytes of copies at a time. Claimed is what is in use and what comes next; what is held besides waits for its
    turn, until others need its room."""

    def __init__(self, mover: Mover[Key, Copy], budget: int, foresight: Foresight[Key] | None = None):
        self._mover = mover
        self._budget = budget
        self._foresight = foresight if foresight is not None else Foresight[Key]()
        self._sizes: dict[Key, int] = {}
        self._begin()

    def _begin(self) -> None:
        self._held: dict[Key, Copy] = {}
        self._unclaimed: dict[Key, None] = {}  # of those held
        self._claims: Counter[Key] = Counter()
        self._coming: deque[tuple[Key, bool]] = deque()  # with whether it is claimed
        self._room = self._spare = self._budget  # beside what is claimed, and beside what is held

    @contextmanager
    def use(self, key: Key) -> Iterator[Copy | None]:
        """While open, the copy of `key`'s weights, to compute with: they stay. None where the budget has no room for them."""
        claims, claimed = self._claims, self._take(key)
        try:
            self._look_ahead()
            copy = self._held.get(key) if claimed else None
            if copy is not None:
                self._mover.arrive(copy)
            yield copy
        finally:
            if claimed and claims is self._claims:
                self._unclaim(key)

    def close(self) -> None:
        """Let everything go, what is in use too: nobody computes any more. What was learned of the order stays."""
        for copy in self._held.values():
            self._mover.release(copy)
        self._begin()

    def _take(self, key: Key) -> bool:
        """Make the claim that was laid when `key` was foreseen that of its use, or lay one."""
        claimed = False
        if self._foresight.saw(key) and self._coming:
            _, claimed = self._coming.popleft()
        else:
            self._look_away()
        return claimed or self._claim(key)

    def _look_ahead(self) -> None:
        """Claim what comes next, the nearest first, until there is no room."""
        while len(self._coming) < LOOKED_AT:
            key = self._foresight.coming(len(self._coming))
            if key is None:
                return
            fits = self._size(key) <= self._budget  # one that never has room is passed over
            if fits and not self._claim(key):
                return
            self._coming.append((key, fits))

    def _look_away(self) -> None:
        for key, claimed in self._coming:
            if claimed:
                self._unclaim(key)
        self._coming.clear()

    def _claim(self, key: Key) -> bool:
        if not self._claims[key]:
            size = self._size(key)
            if size > self._room or not (key in self._held or self._fetch(key, size)):
                return False
            self._room -= size
            self._unclaimed.pop(key, None)
        self._claims[key] += 1
        return True

    def _unclaim(self, key: Key) -> None:
        self._claims[key] -= 1
        if not self._claims[key]:
            self._room += self._size(key)
            self._unclaimed[key] = None

    def _fetch(self, key: Key, size: int) -> bool:
        while self._spare < size:
            self._let_go(next(iter(self._unclaimed)))
        copy = self._mover.fetch(key)
        if copy is None:
            self._give_way()
            return False
        self._held[key] = copy
        self._spare -= size
        return True

    def _give_way(self) -> None:
        """The device is full: what computes there goes before what will."""
        self._look_away()
        for key in list(self._unclaimed):
            self._let_go(key)
        lost = self._budget - self._budget // 2
        self._budget, self._room, self._spare = self._budget - lost, self._room - lost, self._spare - lost

    def _let_go(self, key: Key) -> None:
        del self._unclaimed[key]
        self._spare += self._size(key)
        self._mover.release(self._held.pop(key))

    def _size(self, key: Key) -> int:
        if key not in self._sizes:
            self._sizes[key] = self._mover.size(key)
        return self._sizes[key]
