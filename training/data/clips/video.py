"""Video files by PyAV, which ComfyUI brings. A file is data: it is read through a handle, by the demuxers of videos only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..decoding import MAX_PIXELS, MAX_SIDE, Header, failure, too_large
from .timing import ClipSpec, Reel, reel

if TYPE_CHECKING:
    import av
    from av.container import InputContainer

EXTENSIONS = (".mp4", ".mov", ".m4v", ".webm", ".mkv", ".avi")
DEMUXERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi"
"""FFmpeg knows playlists and scripts that open other files, whatever their name says."""


def is_readable() -> bool:
    """Whether PyAV is there."""
    return find_spec("av") is not None


def read_video(path: Path, name: str, spec: ClipSpec) -> Reel:
    """The size of the first frame, and the times of those that a clip may take: packets are listed, not decoded. Raises DatasetError."""
    first = next(video_frames(path, name), None)
    if first is None:
        raise failure(name, "has no frame that can be decoded", "Save it again as MP4 (H.264), or remove it.")
    height, width = first[1].shape[:2]
    with _opened(path, name) as container:
        times = _times(container, spec)
    return reel(Header((width, height), False, moves=True), times or [Fraction(0)], spec)


def video_frames(path: Path, name: str) -> Iterator[tuple[Fraction, np.ndarray]]:
    """(seconds, (h, w, 3) uint8) of each frame in order, turned as a player shows it. Raises DatasetError."""
    with _opened(path, name) as container:
        rate = _stream(container).average_rate or Fraction(16)
        for number, frame in enumerate(container.decode(_stream(container))):
            _check_size(frame.width, frame.height, name)
            seconds = frame.pts * frame.time_base if frame.pts is not None and frame.time_base else number / rate
            yield seconds, np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90))


def _times(container: "InputContainer", spec: ClipSpec) -> list[Fraction]:
    stream, found = _stream(container), []
    rate = stream.average_rate or Fraction(16)
    for packet in container.demux(stream):
        if not packet.size or packet.is_discard:
            continue
        shown = packet.pts if packet.pts is not None else packet.dts
        found.append(shown * packet.time_base if shown is not None else len(found) / rate)
        decoded = packet.dts * packet.time_base if packet.dts is not None else found[-1]
        if spec.is_past(decoded - min(found), len(found)):
            return sorted(time for time in found if time <= decoded)  # what is shown later may come later
    return sorted(found)


def _stream(container: "InputContainer") -> "av.VideoStream":
    return container.streams.video[0]


@contextmanager
def _opened(path: Path, name: str) -> Iterator["InputContainer"]:
    """The file as a container that has a video of a sane size; every failure inside becomes a DatasetError."""
    try:
        import av
        from av.error import FFmpegError
    except ImportError as error:
        raise failure(name, "is a video, which the Python library 'av' reads; it is missing", "Run: python -m pip install av") from error
    try:
        with path.open("rb") as file, av.open(file, options={"format_whitelist": DEMUXERS}) as container:
            if not container.streams.video:
                raise failure(name, "has no pictures, only sound", "Remove it.")
            stream = _stream(container)
            stream.thread_type = "AUTO"
            _check_size(stream.width, stream.height, name)
            yield container
    except FileNotFoundError as error:
        raise failure(name, "is gone", "Run the graph again: the folder has changed.") from error
    except (FFmpegError, OSError, ValueError, RuntimeError, MemoryError, OverflowError) as error:
        raise failure(name, f"cannot be read as a video ({error})", "Save it again as MP4 (H.264), or remove it.") from error


def _check_size(width: int, height: int, name: str) -> None:
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise too_large(name, f"{width} x {height} pixels")
