"""Small pictures of every kind, made where a test needs them."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image


def gradient(width: int = 40, height: int = 24) -> np.ndarray:
    """(h, w, 3) uint8 where red grows to the right and green downwards: no two turns of it are alike."""
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[:, :, 0] = np.linspace(0, 255, width)[None]
    rgb[:, :, 1] = np.linspace(0, 255, height)[:, None]
    rgb[:, :, 2] = 60
    return rgb


def save(path: Path, pixels: np.ndarray | None = None, **options) -> Path:
    """Save (h, w, 1|3|4) uint8 pixels in the format of the path's ending; lossless where the format can."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() == ".webp":
        options.setdefault("lossless", True)
    Image.fromarray(gradient() if pixels is None else pixels).save(path, **options)
    return path


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def raw_png(width: int, height: int, data: bytes, *, depth: int = 8, colour: int = 2, extra: bytes = b"") -> bytes:
    """A PNG file with any claim about its size; `data` is what its IDAT unpacks to."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = png_chunk(b"IHDR", header) + extra + png_chunk(b"IDAT", zlib.compress(data)) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks
