"""Which frames a clip takes of a file: so many from its beginning, so many a second, each the one shown nearest to its time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

from ..decoding import Header

MAX_FRAMES = 1000
MAX_FPS = 240
MARGIN = 1
REORDERED = 16
"""Seconds, or frames, that are read past a clip's end: files hold their frames in the order of decoding, not quite in that of time."""
Frame = TypeVar("Frame")


@dataclass(frozen=True, kw_only=True)
class ClipSpec:
    """`frames` a clip, from the beginning of its file (0: all that there are), `fps` of them a second (0: every frame of the file)."""

    frames: int = 17
    fps: float = 16.0

    def problems(self) -> list[str]:
        found = []
        if not 0 <= self.frames <= MAX_FRAMES:
            found.append(f"clip_frames is {self.frames} but must be from 0 (all) to {MAX_FRAMES:,} (17 is usual).")
        if not 0 <= self.fps <= MAX_FPS:
            found.append(f"clip_fps is {self.fps:g} but must be from 0 (as the file has them) to {MAX_FPS} (16 is usual).")
        return found

    @property
    def most(self) -> int:
        """How many frames must be looked for: one more than are allowed, where all are wanted."""
        return self.frames or MAX_FRAMES + 1

    def is_past(self, seconds: Fraction, count: int) -> bool:
        """Whether `count` frames, complete up to `seconds`, tell all that a clip can take."""
        return seconds > self.most / Fraction(self.fps) + MARGIN if self.fps else count > self.most + REORDERED


@dataclass(frozen=True)
class Reel:
    """What a file holds for a clip: `frames` are taken at `fps` a second; `longer`: the file goes on after them; `rate` is how many
    a second the file has itself, 0 where it has one frame."""

    header: Header
    frames: int
    fps: float
    longer: bool
    rate: float


def reel(header: Header, times: Sequence[Fraction], spec: ClipSpec) -> Reel:
    """`times`: when each frame is shown, seconds, sorted; those past the clip's end may be missing (`ClipSpec.is_past`)."""
    passed = times[-1] - times[0]
    rate = (len(times) - 1) / passed if passed else Fraction(0)
    if not rate or not spec.fps:
        there = len(times)
    else:
        there = math.floor((passed + 1 / (2 * rate)) * Fraction(spec.fps)) + 1
    taken = min(there, spec.most)
    return Reel(header, taken, spec.fps or float(rate), there > taken, float(rate))


def nearest(shown: Iterable[tuple[Fraction, Frame]], count: int, fps: float) -> Iterator[Frame]:
    """The `count` frames at 0, 1/fps, 2/fps, ... seconds after the first; with `fps` 0 the first `count`. `shown` are (seconds,
    frame) in order; no more of them are asked for than are needed. Ends early where they do."""
    if not fps:
        for _, (_, frame) in zip(range(count), shown, strict=False):
            yield frame
        return
    taken, gap = 0, Fraction(0)
    start, held = None, None
    for seconds, frame in shown:
        start = seconds if start is None else start
        now = seconds - start
        while held and taken < count and taken / Fraction(fps) <= (held[0] + now) / 2:
            yield held[1]
            taken += 1
        if taken == count:
            return
        gap = max(gap, now - held[0] if held else Fraction(0))
        held = (now, frame)
    while held and taken < count and taken / Fraction(fps) <= held[0] + gap:
        yield held[1]
        taken += 1
