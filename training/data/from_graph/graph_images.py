"""Pictures or clips, and captions, that the graph itself made -> Dataset."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...errors import DatasetError, raise_problems
from ..dataset import ROLES, TRAINING, VALIDATION, Dataset, Sample
from ..decoding import MAX_PIXELS
from ..specs import CaptionSpec, Size

if TYPE_CHECKING:
    import torch

WHERE = "Images To Dataset"


def images_dataset(
    images: Sequence["torch.Tensor"],
    captions: Sequence[str] = (),
    masks: Sequence["torch.Tensor"] = (),
    *,
    repeats: int = 1,
    role: str = TRAINING,
    weight: float = 1.0,
    trigger: str = "",
    references: Sequence["torch.Tensor"] = (),
    clip_frames: int | None = None,
) -> Dataset:
    """A dataset of IMAGE batches (B, H, W, C), floats 0..1, with a caption each, or one for all.

    `masks` are MASK batches (B, H, W), 1 is trained; one a picture, or one for all. `references` are IMAGE batches for an edit
    model: one for all, or as many for each picture, in the same order (of 4 for 2 pictures, the first two belong to the
    first). With `clip_frames` each batch is one clip of its first that many frames (0: of all), and has one mask. Raises
    DatasetError naming every problem.
    """
    are_clips = clip_frames is not None
    pictures = [batch[: clip_frames or None] for batch in images] if are_clips else [picture for batch in images for picture in batch]
    problems = [] if role in ROLES else [f"role is '{role}' but must be one of {', '.join(ROLES)}."]
    if not pictures:
        problems.append("there is no picture. Connect an IMAGE.")
    captions = _one_each(list(captions), len(pictures), "captions", problems)
    masks = _one_each([mask for batch in masks for mask in batch.reshape(-1, *batch.shape[-2:])], len(pictures), "masks", problems)
    shown = _shown(references, len(pictures), problems)
    raise_problems(DatasetError, WHERE, problems)
    shared = {"role": role, "weight": weight, "repeats": 1 if role == VALIDATION else repeats, "captions": CaptionSpec(trigger=trigger)}
    samples = []
    for number, (picture, caption, mask, seen) in enumerate(zip(pictures, captions, masks, shown, strict=True), start=1):
        try:
            name = f"clip {number}" if are_clips else f"image {number}"
            made = TensorClip(picture, name) if are_clips else TensorPicture(picture, name)
            samples.append(_sample(name, made, caption, mask, seen, **shared))
        except DatasetError as error:
            problems += error.problems
    raise_problems(DatasetError, WHERE, problems)
    return Dataset(samples=tuple(samples), facts={"folder": "graph"})


def _one_each(things: list, count: int, kind: str, problems: list[str]) -> list:
    """One of `things` a picture: as given, the single one for all, or None where there is none."""
    if len(things) in (0, 1):
        return (things or [None]) * count
    if len(things) != count:
        problems.append(f"there are {len(things)} {kind} but {count} pictures. Connect one for each picture, or one for all.")
    return things


def _shown(references: Sequence["torch.Tensor"], count: int, problems: list[str]) -> list[list["torch.Tensor"]]:
    """The references of each picture."""
    flat = [reference for batch in references for reference in batch]
    if not flat or not count:
        return [[]] * count
    if len(flat) == 1:
        return [flat] * count
    each, left = divmod(len(flat), count)
    if left or not each:
        problems.append(
            f"there are {len(flat)} references but {count} pictures. Connect one for all, or as many for each picture, in the same order: "
            f"{count}, {2 * count}, …"
        )
    return [flat[i * each : (i + 1) * each] for i in range(count)]


def _sample(
    name: str, picture: "TensorPicture", caption: str | None, mask: "torch.Tensor | None", seen: Sequence["torch.Tensor"], **shared
) -> Sample:
    masked = None if mask is None else TensorPicture(mask[:, :, None], f"mask of {name}")
    references = tuple(TensorPicture(reference, f"reference {i} of {name}") for i, reference in enumerate(seen, start=1))
    return Sample(name=name, picture=picture, caption=caption or "", mask=masked, folder="graph",
                  references=references, **shared)


class TensorPicture:
    """One picture that the graph made; kept as 8 bits, a quarter of the tensor's memory.

    `tensor` is (h, w, 1 | 3 | 4), floats 0..1. Raises DatasetError for another shape, or NaN.
    """

    file = None
    encoded = None
    fps = None

    def __init__(self, tensor: "torch.Tensor", name: str):
        problem = _tensor_problem(tensor)
        if problem:
            raise DatasetError(WHERE, [f"{name}: {problem}"])
        values = (tensor.detach().cpu().float().clamp(0, 1) * 255).round().byte().numpy()
        colour = np.repeat(values, 3, axis=2) if values.shape[2] == 1 else values[:, :, :3]
        alpha = values[:, :, 3:] if values.shape[2] == 4 else np.full_like(colour[:, :, :1], 255)
        self._pixels = np.concatenate([colour, alpha], axis=2)
        self._pixels.setflags(write=False)
        self._digest = ""

    @property
    def frames(self) -> int:
        return 1

    def size(self) -> Size:
        return self._pixels.shape[1], self._pixels.shape[0]

    def has_alpha(self) -> bool:
        return bool((self._pixels[:, :, 3] < 255).any())

    def digest(self) -> str:
        if not self._digest:
            self._digest = hashlib.sha256(repr(self._pixels.shape).encode() + self._pixels.tobytes()).hexdigest()
        return self._digest

    def pixels(self) -> np.ndarray:
        return self._pixels

    def clip(self) -> np.ndarray:
        return self.pixels()[None]

    def small_pixels(self, side: int) -> np.ndarray:
        return self.pixels()


class TensorClip(TensorPicture):
    """A few frames that the graph made, (frames, h, w, 1 | 3), floats 0..1, as one sample: what looks at pictures sees the first.

    Raises DatasetError for another shape, or NaN.
    """

    def __init__(self, tensor: "torch.Tensor", name: str):
        if tensor.ndim != 4 or not len(tensor) or tensor.shape[3] not in (1, 3):
            shape = f"has shape {tuple(tensor.shape)} but must be (frames, height, width, 1 or 3)"
            raise DatasetError(WHERE, [f"{name}: {shape}. Connect an IMAGE without transparency."])
        frames = [TensorPicture(frame, f"{name}, frame {i + 1}").pixels()[:, :, :3] for i, frame in enumerate(tensor)]
        super().__init__(tensor[0], name)
        self._clip = np.stack(frames)
        self._clip.setflags(write=False)

    @property
    def frames(self) -> int:
        return len(self._clip)

    def digest(self) -> str:
        if not self._digest:
            self._digest = hashlib.sha256(repr(self._clip.shape).encode() + self._clip.tobytes()).hexdigest()
        return self._digest

    def clip(self) -> np.ndarray:
        return self._clip


def _tensor_problem(tensor: "torch.Tensor") -> str | None:
    if tensor.ndim != 3 or tensor.shape[2] not in (1, 3, 4):
        return f"has shape {tuple(tensor.shape)} but must be (height, width, 1, 3 or 4). Connect an IMAGE."
    if 0 in tensor.shape or tensor.shape[0] * tensor.shape[1] > MAX_PIXELS:
        return f"is {tensor.shape[1]} x {tensor.shape[0]} pixels; 1 to {MAX_PIXELS:,} pixels are allowed."
    if not bool(tensor.isfinite().all()):
        return "holds NaN or infinite values. Look at it with Preview Image: the node that made it went wrong."
    return None
