"""A clip that lies in a file: its frames are read when they are asked for, and never kept in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..decoding import Header, failure
from ..pictures import FilePicture
from . import animation, video
from .timing import MAX_FRAMES, ClipSpec, Reel, nearest

if TYPE_CHECKING:
    import numpy as np

VIDEOS = video.EXTENSIONS
EXTENSIONS = VIDEOS + animation.EXTENSIONS


@dataclass(frozen=True)
class FileClip(FilePicture):
    """A video, or an animated picture; a GIF or WebP that stands still, or a clip of one frame, is an ordinary picture.

    `spec` says which frames are taken; `reel` is what a scan learnt of them.
    """

    spec: ClipSpec = field(default=ClipSpec(), kw_only=True)
    reel: Reel | None = field(default=None, kw_only=True, compare=False, repr=False)

    @property
    def is_video(self) -> bool:
        return self.file.suffix.lower() in VIDEOS

    def read(self) -> Reel:
        """What the file holds for this clip. Raises DatasetError."""
        if self.reel:
            return self.reel
        if self.known and not self.known.moves:
            return Reel(self.known, 1, 0, False, 0)
        found = (video.read_video if self.is_video else animation.read_animation)(self.file, self.name, self.spec)
        if found.frames > MAX_FRAMES:
            what = f"has more than {MAX_FRAMES:,} frames at {found.fps:g} a second"
            raise failure(self.name, what, "Cut it into shorter files, or set clip_frames.")
        return found

    def scanned(self) -> "FileClip":
        reel = self.read()
        return replace(self, known=reel.header, reel=reel)

    def header(self) -> Header:
        return self.known or self.read().header

    @property
    def frames(self) -> int:
        return self.read().frames

    @property
    def fps(self) -> float | None:
        return self.read().fps if self.frames > 1 else None

    def digest(self) -> str:
        """That of the file; of several frames also how many, and how fast."""
        whole = super().digest()
        return whole if self.frames == 1 else hashlib.sha256(f"{whole} {self.frames} {self.spec.fps:g}".encode()).hexdigest()

    def pixels(self) -> "np.ndarray":
        return self._first() if self.is_video else super().pixels()

    def small_pixels(self, side: int) -> "np.ndarray":
        return self._first() if self.is_video else super().small_pixels(side)

    def _first(self) -> "np.ndarray":
        import numpy as np

        for _, pixels in video.video_frames(self.file, self.name):
            return np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])
        raise self._short(0)

    def clip(self) -> "Iterator[np.ndarray]":
        if self.frames == 1:
            yield self.pixels()
            return
        frames = (video.video_frames if self.is_video else animation.animation_frames)(self.file, self.name)
        done = 0
        for pixels in nearest(frames, self.frames, self.spec.fps):
            yield pixels
            done += 1
        if done < self.frames:
            raise self._short(done)

    def _short(self, done: int) -> Exception:
        return failure(self.name, f"breaks off: {done} of {self.frames} frames can be decoded", "Save it again, or remove it.")
