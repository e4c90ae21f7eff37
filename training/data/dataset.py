"""What a dataset is: pictures with captions, and how each is to be cut and spoken of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from .specs import BucketSpec, CaptionSpec, Size

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import torch

    from ..protocols import TextCondition


ALPHA = ("background", "mask", "ignore")
TRAINING, REGULARISATION, VALIDATION = ROLES = ("training", "regularisation", "validation")


class Picture(Protocol):
    """A picture that can be opened again and again; holds no pixels itself unless the graph made them."""

    @property
    def file(self) -> "Path | None":
        """Where it lies on disk; None for what the graph made."""
        ...

    @property
    def encoded(self) -> "Mapping[str, torch.Tensor] | None":
        """'latent' (C, ..., H, W) and maybe 'mask' (H, W), where the graph has encoded it already: it is used as it is."""
        ...

    @property
    def frames(self) -> int:
        """1 for a picture; how many a clip has (of one that is encoded already: of its latent)."""
        ...

    @property
    def fps(self) -> "float | None":
        """How many frames a second a clip takes of its file; None for a picture, and where it is not known."""
        ...

    def size(self) -> Size:
        """(width, height) after EXIF rotation. Raises DatasetError that names the file."""
        ...

    def has_alpha(self) -> bool:
        """Whether something of it may be transparent. Raises DatasetError that names the file."""
        ...

    def digest(self) -> str:
        """A hash of the content: an edited file has another."""
        ...

    def pixels(self) -> "np.ndarray":
        """(h, w, 4) uint8 RGBA, EXIF rotation applied; the first frame of a clip. Raises DatasetError that names the file."""
        ...

    def clip(self) -> "Iterable[np.ndarray]":
        """Every frame, (h, w, 3 or 4) uint8, one after the other; of a picture one. Raises DatasetError that names the file."""
        ...

    def small_pixels(self, side: int) -> "np.ndarray":
        """`pixels`, maybe reduced, but to no less than `side` pixels a side: for looking at, and much faster."""
        ...


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One picture with its caption, and the rules it follows.

    `name` is what errors show (the path below the dataset's folder). `caption` may hold several lines; without one
    the `class_words` of its folder stand in. `role` is one of ROLES: to learn, ordinary pictures of the same class
    against forgetting, or held out. `weight` multiplies its loss (the prior-loss weight of regularisation pictures).
    `alpha`: a transparent picture is laid on the `background` colour ('background'), its alpha is also the loss mask
    ('mask'), or alpha is dropped and hidden colours show, as in kohya ('ignore').
    `condition` is the caption already encoded by the graph: the caption is then only a label.
    `references` are the pictures that an edit model is shown beside the caption, in their order; transparency is treated as
    the picture's own.
    """

    name: str
    picture: Picture
    caption: str
    repeats: int = 1
    mask: Picture | None = None
    weight: float = 1.0
    role: str = TRAINING
    folder: str = ""
    class_words: str = ""
    alpha: str = "background"
    background: tuple[int, int, int] = (255, 255, 255)
    buckets: BucketSpec = BucketSpec()
    captions: CaptionSpec = CaptionSpec()
    condition: "TextCondition | None" = field(default=None, compare=False, repr=False)
    references: tuple[Picture, ...] = ()

    @property
    def is_trained(self) -> bool:
        """Whether steps are made on it: all but what is held out."""
        return self.role != VALIDATION


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """What a LORACANVAS_DATASET socket carries: at least one sample. `problems` were met while scanning (unreadable
    files): TrainLoRA refuses them unless the user says that the rest may be used. `left_out` are the names of pictures that are left out
    by hand: no samples."""

    samples: tuple[Sample, ...]
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def buckets(self) -> BucketSpec:
        """The first sample's, for what can be said only once of a whole run (merged datasets bring several)."""
        return self.samples[0].buckets

    @property
    def captions(self) -> CaptionSpec:
        """The first sample's; see `buckets`."""
        return self.samples[0].captions

    def with_buckets(self, spec: BucketSpec) -> "Dataset":
        """The same pictures, all brought to size by `spec`."""
        return replace(self, samples=tuple(replace(sample, buckets=spec) for sample in self.samples))

    def with_captions(self, spec: CaptionSpec) -> "Dataset":
        """The same pictures, all spoken of by `spec`; an empty trigger keeps the trigger that each picture has."""
        triggers = {sample.captions.trigger for sample in self.samples}
        specs = {old: spec if spec.trigger.strip() else replace(spec, trigger=old) for old in triggers}
        return replace(self, samples=tuple(replace(sample, captions=specs[sample.captions.trigger]) for sample in self.samples))
