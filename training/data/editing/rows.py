"""What a person sees of each picture: its caption, its bucket, what is cut off, and what will hurt, as training and its reports have it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from ..advice.check import has_text, is_unfilled, unfit
from ..advice.doctor import BLURRED_BY, is_mask_of_another_shape, sharing
from ..advice.report import MUCH, cropped_share, enlargement, has_lines
from ..dataset import TRAINING, Dataset, Sample
from ..folder.index import stamp_of
from ..items import Item, make_items

Warnings = list[list[Any]]
"""[code, value] each; the value is what the sentence of the code has a place for, or None.

Of the picture: 'enlarged' (how many times), 'cropped' (the part of it, 0..1), 'mask_shape'. Of the caption: 'no_caption', 'unfilled',
'unfit' (the sentence), 'same_caption' (how many have it), 'lines'.
"""


def picture_rows(dataset: Dataset, left_out: Collection[int]) -> list[dict[str, Any]]:
    """A row a sample, JSON-ready, without its caption; `left_out` are the indices of samples that are not trained. Buckets are those
    of a run: what is left out does not take part in them. Raises DatasetError."""
    items: dict[int, Item] = {}
    for indices in ([i for i in range(len(dataset.samples)) if i not in left_out], sorted(left_out)):
        for item in make_items(replace(dataset, samples=tuple(dataset.samples[i] for i in indices))):
            items.setdefault(id(item.sample), item)
    return [_row(sample, items[id(sample)]) for sample in dataset.samples]


def _row(sample: Sample, item: Item) -> dict[str, Any]:
    (left, top), (width, height), resized = item.geometry.crop, item.bucket, item.resized
    crop = (left / resized[0], top / resized[1], width / resized[0], height / resized[1])
    return {
        "name": sample.name,
        "role": sample.role,
        "repeats": sample.repeats,
        "size": sample.picture.size(),
        "bucket": item.bucket,
        "crop": [round(part, 4) for part in crop],
        "crops": 1 + len(item.alternatives),
        "frames": sample.picture.frames,
        "words": sample.class_words,
        "mask": sample.mask is not None,
        "version": _version(sample),
        "warnings": _of_the_picture(sample, item),
    }


def _version(sample: Sample) -> str:
    """Another text once the picture's file is another one."""
    stamp = stamp_of(sample.picture.file) if sample.picture.file else None
    return "" if stamp is None else f"{stamp[0]:x}-{stamp[1]:x}"


def _of_the_picture(sample: Sample, item: Item) -> Warnings:
    found: Warnings = []
    if enlargement(item) > BLURRED_BY:
        found.append(["enlarged", round(enlargement(item), 2)])
    if cropped_share(item) > MUCH:
        found.append(["cropped", round(cropped_share(item), 3)])
    if is_mask_of_another_shape(sample):
        found.append(["mask_shape", None])
    return found


def caption_warnings(samples: Sequence[Sample]) -> list[Warnings]:
    """Those of each sample's caption; `samples` are all that are trained together."""
    shared = {id(sample): len(members) for members in sharing([s for s in samples if s.role == TRAINING]).values() for sample in members}
    return [_of_the_caption(sample, shared.get(id(sample))) for sample in samples]


def _of_the_caption(sample: Sample, sharing_it: int | None) -> Warnings:
    found: Warnings = []
    if not has_text(sample):
        found.append(["no_caption", None])
    if is_unfilled(sample):
        found.append(["unfilled", None])
    if problem := unfit(sample):
        found.append(["unfit", problem])
    if sharing_it:
        found.append(["same_caption", sharing_it])
    if has_lines(sample):
        found.append(["lines", None])
    return found
