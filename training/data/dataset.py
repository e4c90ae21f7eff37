"""What a dataset is: pictures with captions, and how they are to be cut and spoken of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np

    from ..protocols import TextCondition
    from .buckets import BucketSpec
    from .captions import CaptionSpec


ALPHA = ("background", "mask", "ignore")


class Picture(Protocol):
    """A picture that can be opened again and again; holds no pixels itself unless the graph made them."""

    def size(self) -> tuple[int, int]:
        """(width, height) after EXIF rotation. Raises DatasetError that names the file."""

    def digest(self) -> str:
        """A hash of the content: an edited file has another."""

    def pixels(self) -> "np.ndarray":
        """(h, w, 4) uint8 RGBA, EXIF rotation applied. Raises DatasetError that names the file."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One picture with its caption.

    `name` is what errors show (the path below the dataset's folder). `caption` may hold several lines; without one
    the `class_words` of its folder stand in. `weight` multiplies its loss (the prior-loss weight of regularisation
    pictures). `alpha`: a transparent picture is laid on the `background` colour ('background'), its alpha is also the
    loss mask ('mask'), or alpha is dropped and hidden colours show, as in kohya ('ignore').
    `buckets` and `captions` replace the dataset's own (samples of merged datasets carry theirs).
    `condition` is the caption already encoded by the graph: the caption is then only a label.
    """

    name: str
    picture: Picture
    caption: str
    repeats: int = 1
    mask: Picture | None = None
    weight: float = 1.0
    is_regularisation: bool = False
    is_validation: bool = False
    folder: str = ""
    class_words: str = ""
    alpha: str = "background"
    background: tuple[int, int, int] = (255, 255, 255)
    buckets: "BucketSpec | None" = None
    captions: "CaptionSpec | None" = None
    condition: "TextCondition | None" = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """What a LORACANVAS_DATASET socket carries. `problems` were met while scanning (unreadable files):
    TrainLoRA refuses them unless the user says that the rest may be used."""

    samples: tuple[Sample, ...]
    buckets: "BucketSpec"
    captions: "CaptionSpec"
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
