"""Noticing that the card is full and what does not fit is moved elsewhere: steps that take seconds, without a word from anybody.

Since driver 536.40 NVIDIA on Windows moves what does not fit into main memory instead of failing. Where the driver says how much
lies on the card, that is noticed in the first step; where it does not, a full card and slow steps are: slower than was to be
expected, from the second one on, or slower than the first ones.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Callable, Mapping

from ..devices.card import Reading

WARM_UP, BASELINE, RECENT = 3, 10, 5
SLOWER, FULL = 2.5, 0.9
NOTICEABLE = 0.03
"""Of the memory: counters that are not read at one moment may differ by less."""
OFTEN = 10
"""The driver is asked in so many steps, and then in every so manieth."""
_NAMED = 3


class SpillWatch:
    """Feed it every step. It answers once, with a sentence: when part of what is held does not lie on the card, by what `read` says of
    it, or when memory is FULL and two steps took SLOWER times what was to be expected, or steps became as much slower. `saves` names the
    settings that would help, each with the bytes that it saves; it is asked only then."""

    def __init__(
        self, total_bytes: int, read: Callable[[], Reading | None] = lambda: None, saves: Callable[[], Mapping[str, int]] = dict,
    ):
        self._total = total_bytes
        self._read = read
        self._saves = saves
        self._reading: Reading | None = None
        self._first: list[float] = []
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._seen = 0
        self._said = False
        self.expect(None)

    def expect(self, seconds: float | None) -> None:
        """What a step of the largest pictures should take from now on; None where nobody knows. The first one may take longer: kernels are
        loaded in it."""
        self._expected = seconds
        self._last_two: deque[float] = deque(maxlen=2)

    def step(self, seconds: float, items: int, held: int | None) -> str | None:
        """`seconds` of a step over `items` pictures, `held` bytes now; None where nobody knows, and nothing is noticed."""
        if self._said or held is None:
            return None
        self._seen += 1
        moved = 0
        if self._seen <= OFTEN or self._seen % OFTEN == 0:
            self._reading = self._read()
            moved = self._reading.moved(held) if self._reading else 0
        self._last_two.append(seconds)
        found = self._found(held, moved, self._times_slower(seconds / items))
        self._said = found is not None
        return f"{found} {self.what_helps(held)}" if found else None

    def _times_slower(self, per_item: float) -> float:
        """The last steps against the first ones; 1 while there are not enough of both."""
        if self._seen <= WARM_UP:
            return 1.0
        if len(self._first) < BASELINE:
            self._first.append(per_item)
            return 1.0
        self._recent.append(per_item)
        full = len(self._recent) == RECENT
        return statistics.median(self._recent) / statistics.median(self._first) if full else 1.0

    def _found(self, held: int, moved: int, times_slower: float) -> str | None:
        if moved >= NOTICEABLE * self._total:
            return (
                f"{_gib(moved)} of the {_gib(held)} GiB that training holds do not lie on the card, which has {_gib(self._total)}: its "
                "driver has moved them into main memory, and every step waits for them."
            )
        used = held if self._reading is None else max(held, self._reading.used)
        if used < FULL * self._total:
            return None
        slow = self._slower_than_expected() or (f"became {times_slower:.1f} times slower" if times_slower >= SLOWER else None)
        full = f"while memory is full ({_gib(used)} of {_gib(self._total)} GiB)"
        return slow and f"Steps {slow} {full}: what does not fit is moved to where it is slow."

    def _slower_than_expected(self) -> str | None:
        """Both of the last two: one may have waited for anything."""
        if self._expected is None or len(self._last_two) < 2 or min(self._last_two) < SLOWER * self._expected:
            return None
        return f"take {min(self._last_two):.1f} s, where at most about {self._expected:.1f} were to be expected,"

    def what_helps(self, held: int) -> str:
        """A sentence, where `held` bytes are too many."""
        others = self._reading.others(held) if self._reading else 0
        theirs = f"Other programs hold {_gib(others)} GiB of the card: close them. " if others >= NOTICEABLE * self._total else ""
        most = sorted(self._saves().items(), key=lambda entry: -entry[1])[:_NAMED]
        named = ", ".join(f"{setting} ({_gib(size)} GiB)" for setting, size in most)
        return theirs + (f"What helps, and about what it saves: {named}." if named else "Lower resolution on Bucket Config.")


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f}"
