"""Small videos and animated pictures, made where a test needs them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image


def shades(count: int, width: int = 64, height: int = 48, brightest: int = 240) -> list[np.ndarray]:
    """(h, w, 3) uint8 frames whose left half gets brighter from 0 on, evenly; the right half stays red."""
    frames = [np.zeros((height, width, 3), np.uint8) for _ in range(count)]
    for number, frame in enumerate(frames):
        frame[:, : width // 2] = round(brightest * number / max(1, count - 1))
        frame[:, width // 2 :] = (200, 0, 0)
    return frames


def save_video(path: Path, frames: list[np.ndarray], fps: int = 16, times: list[Fraction] | None = None, **options: str) -> Path:
    """The frames as a file of the path's ending: bit by bit in .mkv, with B-frames and a few units off in the others. `times` are
    the seconds at which they are shown."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    codec, format_ = {".mkv": ("ffv1", "bgr0"), ".webm": ("libvpx-vp9", "yuv444p"), ".avi": ("mpeg4", "yuv420p")}.get(
        path.suffix.lower(), ("libx264", "yuv444p")
    )
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt, stream.options = format_, options or ({"crf": "4"} if codec.startswith("lib") else {})
        if codec.startswith("mpeg"):
            stream.bit_rate = 4_000_000
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=format_)
            frame.time_base = Fraction(1, 1000)
            frame.pts = round(1000 * (times[number] if times else Fraction(number, fps)))
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def save_animation(path: Path, frames: list[np.ndarray], milliseconds: int | list[int] = 60) -> Path:
    """An animated GIF or (lossless) WebP."""
    path.parent.mkdir(parents=True, exist_ok=True)
    first, *others = [Image.fromarray(frame) for frame in frames]
    first.save(path, save_all=True, append_images=others, duration=milliseconds, **({"lossless": True} if path.suffix == ".webp" else {}))
    return path
