"""What will be asked for next, from what was asked for before: a step asks for the same weights in the same order as the one before it.

Nobody says where a step begins. Now is taken for the moment that the longest run of the latest uses has led to before.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

#: How many uses are remembered (a step of a large model has some 2,000), and how many are compared.
MEMORY, COMPARED = 1 << 14, 64


class Foresight(Generic[Key]):
    """Tell it each use with `saw`; `coming` is what it expects then."""

    def __init__(self, memory: int = MEMORY) -> None:
        self._memory = memory
        self._seen: list[Key] = []
        self._places: dict[Key, list[int]] = {}
        self._like: int | None = None

    def saw(self, key: Key) -> None:
        follows = self._like is not None and self._seen[self._like + 1] == key
        self._like = self._like + 1 if self._like is not None and follows else self._most_alike(key)
        self._places.setdefault(key, []).append(len(self._seen))
        self._seen.append(key)
        if len(self._seen) > 2 * self._memory:
            self._forget()

    def coming(self) -> Iterator[Key]:
        """What followed the moment that now is like, up to now: a whole step, once two have been seen. Nothing while all is new."""
        if self._like is not None:
            for place in range(self._like + 1, len(self._seen)):
                yield self._seen[place]

    def _most_alike(self, key: Key) -> int | None:
        """The place of `key` before which most of the uses are those that come before now. Of several the next one, as if what lies
        between had been skipped; else the latest."""
        like = self._like if self._like is not None else len(self._seen)

        def likeness(place: int) -> tuple[int, bool, int]:
            follows = place > like
            return self._alike_before(place), follows, -place if follows else place

        return max(self._places.get(key, ()), key=likeness, default=None)

    def _alike_before(self, place: int) -> int:
        now, length = len(self._seen), 0
        while length < min(place, COMPARED) and self._seen[place - 1 - length] == self._seen[now - 1 - length]:
            length += 1
        return length

    def _forget(self) -> None:
        self._seen = self._seen[-self._memory:]
        self._places = {}
        for place, key in enumerate(self._seen):
            self._places.setdefault(key, []).append(place)
        self._like = None
