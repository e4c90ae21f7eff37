"""The dataset at a glance: thumbnails with their masks, and the exact crops drawn on them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from ..data.colour import over_background
from ..data.dataset import TRAINING, VALIDATION, Dataset, Picture, Sample
from ..data.items import Item
from ..data.specs import Size
from ..errors import DatasetError
from .chart import to_tensor

if TYPE_CHECKING:
    import torch

TILE = 192
PICTURE = 184
LABEL = 16
MOST = 48
PAPER, INK, CROP, MASKED = (24, 24, 24), (220, 220, 220), (255, 200, 0), (220, 40, 40)


def dataset_sheet(dataset: Dataset) -> "torch.Tensor":
    """(1, H, W, 3) floats 0..1: up to 48 pictures (of clips the first frame), what their masks leave out tinted red."""
    chosen = _spread(dataset.samples)
    return _sheet([_tile(sample, _sample_label(sample)) for sample in chosen])


def crop_sheet(items: Sequence[Item]) -> "torch.Tensor":
    """(1, H, W, 3) floats 0..1: up to 48 items, what is cut away darkened, every crop framed, the bucket below."""
    return _sheet([_tile(item.sample, f"{item.bucket[0]} x {item.bucket[1]}", item) for item in _spread(items)])


def _spread(things: Sequence) -> list:
    """At most MOST of them, evenly taken, so that the end of a large folder shows too."""
    step = max(1.0, len(things) / MOST)
    return [things[int(i * step)] for i in range(min(MOST, len(things)))]


def _sample_label(sample: Sample) -> str:
    frames, references = sample.picture.frames, len(sample.references)
    role = sample.role if sample.role == VALIDATION else f"{'repeats' if sample.role == TRAINING else sample.role} {sample.repeats}"
    return ", ".join([role, *([f"{frames} frames"] if frames > 1 else []), *([f"{references} ref."] if references else [])])


def _tile(sample: Sample, label: str, item: Item | None = None) -> Image.Image:
    tile = Image.new("RGB", (TILE, TILE + LABEL), PAPER)
    try:
        picture = _thumbnail(sample)
    except DatasetError:
        label = "unreadable"
    else:
        if item:
            _draw_crops(picture, item)
        tile.paste(picture, ((TILE - picture.width) // 2, (TILE - picture.height) // 2))
    ImageDraw.Draw(tile).text((4, TILE + 2), label, fill=INK)
    return tile


def _small(picture: Picture, convert: Callable[[np.ndarray], np.ndarray]) -> Image.Image:
    pixels = picture.small_pixels(PICTURE)
    height, width = pixels.shape[:2]
    scale = PICTURE / max(width, height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return Image.fromarray(convert(pixels)).resize(size, Image.Resampling.BOX)


def _thumbnail(sample: Sample) -> Image.Image:
    """The picture as it is trained on, at most PICTURE a side."""
    if sample.alpha == "ignore":
        picture = _small(sample.picture, lambda rgba: np.ascontiguousarray(rgba[:, :, :3]))
    else:
        picture = _small(sample.picture, lambda rgba: over_background(rgba, sample.background))
    for mask in _masks(sample):
        shade = Image.composite(picture, Image.blend(picture, Image.new("RGB", picture.size, MASKED), 0.5),
                                mask.resize(picture.size, Image.Resampling.BOX))
        picture = shade
    return picture


def _masks(sample: Sample) -> list[Image.Image]:
    masks = []
    if sample.mask is not None:
        masks.append(_small(sample.mask, lambda rgba: np.ascontiguousarray(rgba[:, :, :3])).convert("L"))
    if sample.alpha == "mask":
        masks.append(_small(sample.picture, lambda rgba: np.ascontiguousarray(rgba[:, :, 3])))
    return masks


def _draw_crops(picture: Image.Image, item: Item) -> None:
    frames = [_frame(crop, picture.size) for crop in item.variants() if not crop.flip]
    kept = Image.new("L", picture.size, 90)
    for frame in frames:
        ImageDraw.Draw(kept).rectangle(frame, fill=255)
    picture.paste(Image.composite(picture, Image.new("RGB", picture.size), kept))
    for frame in frames:
        ImageDraw.Draw(picture).rectangle(frame, outline=CROP)


def _frame(item: Item, size: Size) -> tuple[int, int, int, int]:
    """The crop's (left, top, right, bottom), inclusive, on a thumbnail of `size`."""
    corner, target = item.geometry.crop, item.geometry.target
    start = [round(corner[i] / item.resized[i] * size[i]) for i in (0, 1)]
    end = [round((corner[i] + target[i]) / item.resized[i] * size[i]) - 1 for i in (0, 1)]
    return start[0], start[1], max(start[0], end[0]), max(start[1], end[1])


def _sheet(tiles: list[Image.Image]) -> "torch.Tensor":
    columns = max(1, min(8, len(tiles), math.ceil(math.sqrt(len(tiles) * 1.5))))
    rows = max(1, math.ceil(len(tiles) / columns))
    sheet = Image.new("RGB", (columns * TILE, rows * (TILE + LABEL)), PAPER)
    for number, tile in enumerate(tiles):
        sheet.paste(tile, (number % columns * TILE, number // columns * (TILE + LABEL)))
    return to_tensor(sheet)
