"""What was tried, and what came of it."""

from __future__ import annotations

from collections import Counter


class Lost(Exception):
    """Something that was learnt, written or true is gone; the text says what."""


class Raw(Exception):
    """An error reached the user that is none of the pack's own, or none came and nothing went on."""


class Tally:
    """Counts of each campaign; `bad` is what a developer has to look at, with the seed that brings it back."""

    def __init__(self):
        self._came: dict[str, Counter[str]] = {}
        self._tried: Counter[str] = Counter()
        self._worst: Counter[tuple[str, str]] = Counter()
        self.bad: list[str] = []

    def add(self, campaign: str, came: Counter[str]) -> None:
        self._tried[campaign] += 1
        self._came.setdefault(campaign, Counter()).update(came)

    def add_bad(self, campaign: str, seed: int, problem: Lost | Raw) -> None:
        kind = type(problem).__name__.lower()
        self._tried[campaign] += 1
        self._worst[campaign, kind] += 1
        self.bad.append(f"{kind}: --only {campaign} --seed {seed}: {problem}")

    def lines(self) -> list[str]:
        rows = [
            f"{campaign:<10} {tried:>6} tried  {self._worst[campaign, 'lost']:>3} lost  {self._worst[campaign, 'raw']:>3} raw   "
            + ", ".join(f"{count} {what}" for what, count in sorted(self._came.get(campaign, Counter()).items()))
            for campaign, tried in sorted(self._tried.items())
        ]
        return [*rows, *self.bad]
