"""Animated GIF and WebP by Pillow."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from ..decoding import frames_of, read_header
from .timing import ClipSpec, Reel, reel

EXTENSIONS = (".gif", ".webp")
SHORTEST, INSTEAD = 20, 100
"""Milliseconds: a frame that asks for less than the one is shown for the other, as browsers do."""


def read_animation(path: Path, name: str, spec: ClipSpec) -> Reel:
    """Raises DatasetError."""
    header, times = read_header(path, name), []
    for seconds, _ in animation_frames(path, name) if header.moves else ():
        times.append(seconds)
        if spec.is_past(seconds, len(times)):
            break
    return reel(header, times or [Fraction(0)], spec)


def animation_frames(path: Path, name: str) -> Iterator[tuple[Fraction, np.ndarray]]:
    """(seconds, (h, w, 4) uint8) of each frame in order. Raises DatasetError."""
    shown = Fraction(0)
    for milliseconds, pixels in frames_of(path, name):
        yield shown / 1000, pixels
        shown += Fraction(milliseconds) if milliseconds >= SHORTEST else INSTEAD
