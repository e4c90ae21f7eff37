"""Sizes and crops: kohya's bucket algorithm, with the crop on its true axis.

Sizes are (width, height) in pixels. A bucket is the size that pictures of one batch share.
Source: kohya-ss/sd-scripts `library/model_util.py` (table) and `library/train_util.py` (selection).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from ..protocols import PixelGeometry
from .specs import BucketSpec, Size


@dataclass(frozen=True)
class Placement:
    """Where a picture goes: resized to `resized`, then cut to `geometry.target`."""

    resized: Size
    geometry: PixelGeometry


@lru_cache(maxsize=64)
def bucket_table(area: Size, min_bucket: int, max_bucket: int, step: int) -> tuple[Size, ...]:
    """Every bucket within the area of `area`, sorted. 1024², 256-2048, 64: 41 buckets."""
    limit = area[0] * area[1]
    side = int(math.sqrt(limit) // step) * step
    table = {(side, side)}
    for width in range(min_bucket, max_bucket + 1, step):
        height = min(max_bucket, (limit // width) // step * step)
        if height >= min_bucket:
            table |= {(width, height), (height, width)}
    return tuple(sorted(table))


def nearest(size: Size, table: tuple[Size, ...]) -> Size:
    """The size itself where it is a bucket, else the bucket of the nearest aspect ratio (the first of equals)."""
    if size in table:
        return size
    ratio = size[0] / size[1]
    return min(table, key=lambda bucket: abs(bucket[0] / bucket[1] - ratio))


def resize_to_cover(size: Size, bucket: Size) -> Size:
    """`size` scaled, shape kept, so that it just covers `bucket`."""
    (width, height), (bucket_width, bucket_height) = size, bucket
    wider = width / height > bucket_width / bucket_height
    scale = bucket_height / height if wider else bucket_width / width
    return max(bucket_width, int(width * scale + 0.5)), max(bucket_height, int(height * scale + 0.5))


def shrink_only(size: Size, area: Size, step: int) -> tuple[Size, Size]:
    """(resized, bucket) without ever enlarging: a picture within the area keeps its size and loses its edges.

    Sides never fall below one step, where kohya's formula would reach 0.
    """
    width, height = size
    limit, ratio = area[0] * area[1], width / height
    if width * height > limit:
        whole_width = math.sqrt(limit * ratio)
        by_width = _round_to_steps(whole_width, step)
        by_height = _round_to_steps(limit / whole_width, step)
        width_error = abs(by_width / _round_to_steps(by_width / ratio, step) - ratio)
        height_error = abs(_round_to_steps(by_height * ratio, step) / by_height - ratio)
        if width_error < height_error:
            size = (by_width, int(by_width / ratio + 0.5))
        else:
            size = (int(by_height * ratio + 0.5), by_height)
    bucket = (max(step, size[0] - size[0] % step), max(step, size[1] - size[1] % step))
    return resize_to_cover(size, bucket) if size[0] < bucket[0] or size[1] < bucket[1] else size, bucket


def _round_to_steps(value: float, step: int) -> int:
    rounded = int(value + 0.5)
    return max(step, rounded - rounded % step)


def assign(size: Size, spec: BucketSpec, area: Size | None = None) -> Placement:
    """The bucket of a picture of `size`, its resized size and its centre crop, at `area` (default: the first)."""
    area = area or spec.areas()[0]
    if spec.no_upscale:
        resized, bucket = shrink_only(size, area, spec.bucket_step)
    else:
        bucket = nearest(size, bucket_table(area, spec.min_bucket, spec.max_bucket, spec.bucket_step))
        resized = resize_to_cover(size, bucket)
    return placed(size, resized, bucket)


def placed(size: Size, resized: Size, bucket: Size, focus: tuple[float, float] = (0.5, 0.5)) -> Placement:
    """The crop of `bucket` out of `resized` whose centre is as near to `focus` (fractions of width, height) as fits.

    The centre gives kohya's pixels: (resized - bucket) // 2 cut off at the left or at the top.
    """
    spare = (resized[0] - bucket[0], resized[1] - bucket[1])
    if focus == (0.5, 0.5):
        crop = (spare[0] // 2, spare[1] // 2)
    else:
        left, top = (min(max(int(focus[i] * resized[i] - bucket[i] / 2 + 0.5), 0), spare[i]) for i in (0, 1))
        crop = (left, top)
    return Placement(resized, PixelGeometry(original=size, crop=crop, target=bucket))
