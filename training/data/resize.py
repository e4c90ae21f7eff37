"""Resizing as kohya does it: area averaging to shrink, Lanczos to enlarge."""

from __future__ import annotations

import numpy as np
from PIL import Image

from .specs import Size


def resized_crop(pixels: np.ndarray, resized: Size, corner: Size, crop: Size) -> np.ndarray:
    """`pixels` (h, w, c) uint8 scaled to `resized`, of which the `crop` at `corner` is returned.

    Sizes are (width, height), `corner` is (left, top). Returns (crop height, crop width, c) float32 in 0..255.
    """
    height, width = pixels.shape[:2]
    left, top = corner
    if resized == (width, height):
        return pixels[top : top + crop[1], left : left + crop[0]].astype(np.float32)
    if resized[0] > width or resized[1] > height:
        return _enlarged(pixels, resized)[top : top + crop[1], left : left + crop[0]]
    rows = _average_rows(pixels, resized[1], top, crop[1])
    columns = _average_rows(rows.swapaxes(0, 1), resized[0], left, crop[0])
    return np.ascontiguousarray(columns.swapaxes(0, 1))


def _average_rows(source: np.ndarray, rows: int, first: int, count: int) -> np.ndarray:
    """Rows `first` to `first + count` of `source` averaged down to `rows` rows, float32.

    Output row i is the mean of source rows i*s to (i+1)*s, s = len(source) / rows, where a row that is partly inside
    counts by its part (OpenCV's INTER_AREA; Pillow's BOX rounds to whole rows and tears thin lines).
    """
    scale = len(source) / rows
    starts = np.arange(first, first + count) * scale
    ends = np.minimum(starts + scale, len(source))
    total = np.zeros((count, *source.shape[1:]), np.float32)
    base = np.floor(starts).astype(np.int64)
    for offset in range(int(np.ceil(scale)) + 1):
        row = np.minimum(base + offset, len(source) - 1)
        weight = np.clip(np.minimum(ends, base + offset + 1) - np.maximum(starts, base + offset), 0, None) / scale
        if weight.any():
            total += source[row] * weight.astype(np.float32).reshape(-1, *[1] * (source.ndim - 1))
    return total


def _enlarged(pixels: np.ndarray, resized: Size) -> np.ndarray:
    bands = [
        np.asarray(Image.fromarray(np.ascontiguousarray(pixels[:, :, band])).resize(resized, Image.Resampling.LANCZOS))
        for band in range(pixels.shape[2])
    ]
    return np.stack(bands, axis=2).astype(np.float32)
