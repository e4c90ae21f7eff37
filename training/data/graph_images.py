"""Pictures and captions that the graph itself made -> Dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import DatasetError, raise_problems
from .buckets import BucketSpec
from .captions import CaptionSpec
from .dataset import Dataset, Sample
from .pictures import TensorPicture

if TYPE_CHECKING:
    import torch

NODE = "Images To Dataset"
ROLES = ("training", "regularisation", "validation")


def images_dataset(
    images: Sequence["torch.Tensor"],
    captions: Sequence[str] = (),
    masks: Sequence["torch.Tensor"] = (),
    *,
    repeats: int = 1,
    role: str = "training",
    weight: float = 1.0,
    trigger: str = "",
) -> Dataset:
    """A dataset of IMAGE batches (B, H, W, C), floats 0..1, with a caption each, or one for all.

    `masks` are MASK batches (B, H, W), 1 is trained; one a picture, or one for all. Raises DatasetError naming every
    problem.
    """
    pictures = [picture for batch in images for picture in batch]
    problems = [] if role in ROLES else [f"role is '{role}' but must be one of {', '.join(ROLES)}."]
    if not pictures:
        problems.append("there is no picture. Connect an IMAGE.")
    captions = _one_each(list(captions), len(pictures), "captions", problems)
    masks = _one_each([mask for batch in masks for mask in batch.reshape(-1, *batch.shape[-2:])], len(pictures), "masks", problems)
    raise_problems(DatasetError, NODE, problems)
    samples = []
    for number, tensor in enumerate(pictures, start=1):
        try:
            samples.append(_sample(number, tensor, captions[number - 1], masks[number - 1]))
        except DatasetError as error:
            problems += error.problems
    raise_problems(DatasetError, NODE, problems)
    is_regularisation, is_validation = role == "regularisation", role == "validation"
    return Dataset(
        samples=tuple(
            Sample(
                name=name, picture=picture, caption=caption, mask=mask, weight=weight, folder="graph",
                repeats=1 if is_validation else repeats, is_regularisation=is_regularisation, is_validation=is_validation,
            )
            for name, picture, caption, mask in samples
        ),
        buckets=BucketSpec(), captions=CaptionSpec(trigger=trigger), facts={"folder": "graph"},
    )


def _sample(number: int, tensor: "torch.Tensor", caption: str | None, mask: "torch.Tensor | None") -> tuple:
    name = f"image {number}"
    mask_picture = None if mask is None else TensorPicture(mask[:, :, None], f"mask of {name}")
    return name, TensorPicture(tensor, name), caption or "", mask_picture


def _one_each(things: list, count: int, kind: str, problems: list[str]) -> list:
    """One of `things` a picture: as given, the single one for all, or None where there is none."""
    if len(things) in (0, 1):
        return (things or [None]) * count
    if len(things) != count:
        problems.append(f"there are {len(things)} {kind} but {count} pictures. Connect one for each picture, or one for all.")
    return things
