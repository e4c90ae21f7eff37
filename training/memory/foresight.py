"""What will be asked for next, from what was asked for before: a step asks for the same weights in the same order as the one before it.

Nobody says where a step begins. Now is taken for the moment that the longest run of the latest uses has led to before.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

#: How many uses are remembered (a step of a large model has some 2,000), and how many are compared.
MEMORY, COMPARED = 1 << 14, 64


class Foresight(Generic[Key]):
    """Tell it each use with `saw`; `coming` says what it expects then."""

    def __init__(self, memory: int = MEMORY) -> None:
        self._memory = memory
        self._seen: list[Key] = []
        self._places: dict[Key, list[int]] = {}
        self._like: int | None = None

    def saw(self, key: Key) -> bool:
        """Whether it was expected: what comes is then what was to come after it."""
        follows = self._like is not None and self._seen[self._like + 1] == key
        self._like = self._like + 1 if self._like is not None and follows else self._most_alike(key)
        self._places.setdefault(key, []).append(len(self._seen))
        self._seen.append(key)
        if len(self._seen) > 2 * self._memory:
            self._forget()
        return follows

    def coming(self, number: int) -> Key | None:
        """The next use (0), the one after it (1) and so on: what followed the moment that now is like, up to now, which is a whole
        step, once two have been seen. None beyond it, and while all is new."""
        place = len(self._seen) if self._like is None else self._like + 1 + number
        return self._seen[place] if place < len(self._seen) else None

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
