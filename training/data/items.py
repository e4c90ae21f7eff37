"""Dataset + buckets -> items: one picture at one size and crop, and its pixels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import DatasetError
from ..protocols import PixelGeometry
from ..seeds import mix_seed
from .altered import Alteration, turned_crop, versions
from .buckets import Placement, assign, nearest, placed, resize_to_cover
from .colour import colour_frames, full_mask
from .dataset import VALIDATION, Dataset, Sample
from .specs import BucketSpec, CentreCrop, FocalCrop, Size

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class Item:
    """A sample at one training size. `geometry.crop` counts in the mirrored picture where `flip` is set.

    `alternatives` are the same picture mirrored, cropped elsewhere or altered: no draws of their own, each draw takes one of
    all (`variant`).
    """

    sample: Sample
    geometry: PixelGeometry
    resized: Size
    flip: bool = False
    altered: Alteration = Alteration()
    alternatives: tuple["Item", ...] = ()

    @property
    def bucket(self) -> Size:
        """(width, height) of the crop."""
        return self.geometry.target

    @property
    def shape(self) -> tuple[int, ...]:
        """The bucket, and the frames of a clip: items of one shape may share a batch."""
        frames = self.sample.picture.frames
        return self.bucket if frames == 1 else (*self.bucket, frames)

    def variants(self) -> tuple["Item", ...]:
        """The item itself and its alternatives: all that must be encoded."""
        return (self, *self.alternatives)

    def variant(self, seed: int) -> "Item":
        """The one that the draw with this seed takes; validation items have no alternatives."""
        if not self.alternatives:
            return self
        return self.variants()[mix_seed("variant", seed) % (1 + len(self.alternatives))]


def make_items(dataset: Dataset) -> tuple[Item, ...]:
    """One item a sample and resolution, in the dataset's order. Raises DatasetError for a picture that cannot be read."""
    drafts = [draft for sample in dataset.samples for draft in _drafts(sample)]
    homes = _merged_buckets(drafts)
    return tuple(
        _item(sample, spec, placement, homes.get((spec, area, placement.geometry.target)) if spec else None)
        for sample, spec, area, placement in drafts
    )


def trained_first(items: Iterable[Item]) -> list[Item]:
    """Those that are held out come last: the order in which a run knows them."""
    return sorted(items, key=lambda item: not item.sample.is_trained)


Draft = tuple[Sample, BucketSpec | None, Size, Placement]
"""A sample at one resolution, before small buckets are merged; without a spec it is encoded and stays as it is."""


def _drafts(sample: Sample) -> list[Draft]:
    size, spec = sample.picture.size(), sample.buckets
    if sample.picture.encoded is not None:
        return [(sample, None, size, placed(size, size, size))]
    return [(sample, spec, area, assign(size, spec, area)) for area in spec.areas()]


def _merged_buckets(drafts: list[Draft]) -> dict[tuple[BucketSpec, Size, Size], Size]:
    """Where the pictures of too small buckets go: the nearest bucket (by aspect ratio) that is full enough.

    Only among the buckets of one spec and area. Without any that is full enough, the largest takes all.
    """
    draws: dict[tuple[BucketSpec, Size], Counter[Size]] = {}
    for sample, spec, area, placement in drafts:
        if spec and spec.small_buckets == "merge" and sample.is_trained:
            draws.setdefault((spec, area), Counter())[placement.geometry.target] += sample.repeats
    homes = {}
    for (spec, area), counts in draws.items():
        full = tuple(sorted(bucket for bucket, count in counts.items() if count >= spec.batch_size))
        full = full or (counts.most_common(1)[0][0],)
        homes.update({(spec, area, bucket): nearest(bucket, full) for bucket in counts if bucket not in full})
    return homes


def _item(sample: Sample, spec: BucketSpec | None, placement: Placement, home: Size | None) -> Item:
    if home:
        size = placement.geometry.original
        placement = placed(size, resize_to_cover(size, home), home)
    if spec is None or sample.role == VALIDATION:
        return _at(sample, placement)
    crops = list(_crops(sample, spec, placement))
    shown = [(crop, Alteration()) for crop in crops] + (_versions(sample, spec, placement) if spec.augments else [])
    items = [replace(_at(sample, crop, flip), altered=altered)
             for crop, altered in shown for flip in ((False, True) if spec.flip else (False,))]  # fmt: skip
    return replace(items[0], alternatives=tuple(items[1:]))


def _crops(sample: Sample, spec: BucketSpec, placement: Placement) -> Iterator[Placement]:
    """The crops that the spec asks for, each once. Random ones depend on the picture's name alone, so caches last."""
    geometry = placement.geometry
    if isinstance(spec.crop, CentreCrop) or placement.resized == geometry.target:
        yield placement
    elif isinstance(spec.crop, FocalCrop):
        focus = _focus(sample)
        yield placed(geometry.original, placement.resized, geometry.target, focus) if focus else placement
    else:
        spare = [placement.resized[i] - geometry.target[i] for i in (0, 1)]
        corners = dict.fromkeys(
            tuple(mix_seed("crop", sample.name, number, i) % (spare[i] + 1) for i in (0, 1))
            for number in range(spec.crop.count)
        )
        for corner in corners:
            yield Placement(placement.resized, replace(geometry, crop=corner))


def _versions(sample: Sample, spec: BucketSpec, placement: Placement) -> list[tuple[Placement, Alteration]]:
    if sample.references:
        raise DatasetError(spec.WHERE, [f"{sample.name} has references, which cannot be augmented with it: the pair would teach the "
                                        "change. Set colour and rotation to 0 and crop_range to 1."])
    focus = _focus(sample) if isinstance(spec.crop, FocalCrop) else None
    return versions(sample.name, spec, placement, focus or (0.5, 0.5))


def _focus(sample: Sample) -> tuple[float, float] | None:
    """The mask's centre of mass as fractions of width and height; None without a mask, or where it is empty."""
    mask = full_mask(sample)
    if mask is None or not mask.any():
        return None
    weights = mask.astype(np.float64)
    total = weights.sum()
    (height, width), centre = mask.shape, np.arange(max(mask.shape)) + 0.5
    across = (weights.sum(axis=0) * centre[:width]).sum() / total / width
    down = (weights.sum(axis=1) * centre[:height]).sum() / total / height
    return float(across), float(down)


def _at(sample: Sample, placement: Placement, flip: bool = False) -> Item:
    """The item; mirroring moves the crop: what was cut off at the right is then cut off at the left."""
    geometry = placement.geometry
    if flip:
        left = placement.resized[0] - geometry.target[0] - geometry.crop[0]
        geometry = replace(geometry, crop=(left, geometry.crop[1]))
    return Item(sample=sample, geometry=geometry, resized=placement.resized, flip=flip)


def item_pixels(item: Item) -> "torch.Tensor":
    """(h, w, 3) float32 in 0..1, of a clip (frames, h, w, 3): what the VAE is given."""
    return items_pixels([item])[0]


def items_pixels(items: Sequence[Item]) -> "list[torch.Tensor]":
    """`item_pixels` of items of one sample, each frame of which is decoded once for all of them."""
    import torch

    sample = items[0].sample
    frames = [[item.altered.coloured(_cut(frame, item)) for item in items] for frame in colour_frames(sample)]
    whole = (np.stack(cuts) if sample.picture.frames > 1 else cuts[0] for cuts in zip(*frames, strict=True))
    return [torch.from_numpy(cut / 255) for cut in whole]


def item_mask(item: Item) -> "torch.Tensor | None":
    """(h, w) float32 in 0..1 on the pixels of `item_pixels`; None: everything counts fully."""
    return cut_mask(full_mask(item.sample), item)


def cut_mask(mask: np.ndarray | None, item: Item) -> "torch.Tensor | None":
    """`item_mask` of a full_mask that is at hand."""
    import torch

    return None if mask is None else torch.from_numpy(_cut(mask[:, :, None], item)[:, :, 0] / 255)


def _cut(pixels: np.ndarray, item: Item) -> np.ndarray:
    """(h, w, c) float32 in 0..255: mirrored, resized and cropped as the item says."""
    source, angle = (pixels[:, ::-1], -item.altered.angle) if item.flip else (pixels, item.altered.angle)
    return turned_crop(source, item.resized, item.geometry.crop, item.geometry.target, angle)
