"""The rules of a picture, checked at birth: how it is brought to training sizes, how its caption becomes text."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

from ..errors import SettingsError, raise_problems
from ..inputs import SHORT, text_problems
from ..settings import called

Size = tuple[int, int]
"""(width, height) in pixels."""

SMALL_BUCKETS = ("short batches", "merge")
MAX_SIDE = 8192
LINES = ("random", "first", "all")


@dataclass(frozen=True, slots=True)
class CentreCrop:
    """The middle is kept."""

    def problems(self) -> list[str]:
        return []


@dataclass(frozen=True, slots=True)
class FocalCrop:
    """What the mask is around is kept; the middle without one."""

    def problems(self) -> list[str]:
        return []


@dataclass(frozen=True, slots=True)
class RandomCrops:
    """`count` crops of a picture are prepared; each draw takes one of them."""

    count: int = field(default=4, metadata=called("random_crops"))

    def problems(self) -> list[str]:
        return [] if 1 <= self.count <= 64 else [f"random_crops is {self.count} but must be from 1 to 64 (4 is usual)."]


Crop = CentreCrop | FocalCrop | RandomCrops
CROPS = ("centre", "random", "focal")


def crop_from(name: str, random_crops: int) -> Crop:
    """The choice that Bucket Config's widgets describe. Raises SettingsError for a name that is none."""
    crops = {"centre": CentreCrop(), "focal": FocalCrop(), "random": RandomCrops(random_crops)}
    if name not in crops:
        raise SettingsError(BucketSpec.WHERE, [f"crop is '{name}' but must be one of {', '.join(CROPS)}."])
    return crops[name]


@dataclass(frozen=True, kw_only=True)
class BucketSpec:
    """How pictures are brought to training sizes.

    `resolution` is the side of a square whose area no bucket exceeds, or (width, height) for that area.
    `resolutions` holds further sides: each picture is trained at every one of them.
    `min_bucket`, `max_bucket` bound a bucket's sides (no_upscale ignores them, as kohya does) and are
    multiples of `bucket_step`. `crop` says where what does not fit is cut off. `flip` also trains mirrored pictures.
    `colour` (0..1), `rotation` (degrees) and `crop_range` (the least share of the sides that is shown) are how far `augmentations`
    further versions of each picture may go; where all three leave everything as it is there are none.
    `small_buckets`: 'short batches' keeps every bucket; 'merge' moves pictures out of buckets that hold
    fewer than `batch_size` draws an epoch into the bucket of the nearest shape.
    """

    WHERE: ClassVar = "Bucket Config"

    resolution: int | Size = 1024
    min_bucket: int = 256
    max_bucket: int = 2048
    bucket_step: int = 64
    no_upscale: bool = False
    crop: Crop = CentreCrop()
    flip: bool = False
    resolutions: tuple[int, ...] = field(default=(), metadata=called("more_resolutions"))
    small_buckets: str = "short batches"
    batch_size: int = 1
    colour: float = 0.0
    rotation: float = 0.0
    crop_range: float = 1.0
    augmentations: int = 4

    def __post_init__(self) -> None:
        raise_problems(SettingsError, self.WHERE, self._problems())

    def _problems(self) -> list[str]:
        problems = []
        step = self.bucket_step
        if step < 8 or step % 8:
            return [f"bucket_step is {step} but must be a multiple of 8, at least 8 (64 is usual)."]
        for side in {*self._sides(), *self.resolutions}:
            if not step <= side <= MAX_SIDE:
                problems.append(f"resolution is {side} but must be from bucket_step ({step}) to {MAX_SIDE} pixels.")
        for name in ("min_bucket", "max_bucket"):
            value = getattr(self, name)
            if value < step or value > MAX_SIDE or value % step:
                near = min(max(round(value / step) * step, step), MAX_SIDE // step * step)
                problems.append(f"{name} is {value} but must be a multiple of bucket_step ({step}), such as {near}.")
        if self.min_bucket > self.max_bucket:
            problems.append(f"min_bucket ({self.min_bucket}) is above max_bucket ({self.max_bucket}). Lower min_bucket.")
        problems += self.crop.problems()
        if self.small_buckets not in SMALL_BUCKETS:
            problems.append(f"small_buckets is '{self.small_buckets}' but must be one of {', '.join(SMALL_BUCKETS)}.")
        if self.batch_size < 1:
            problems.append(f"batch_size is {self.batch_size} but must be at least 1.")
        for name, low, high in (("colour", 0, 1), ("rotation", 0, 45), ("crop_range", 0.1, 1), ("augmentations", 1, 64)):
            if not low <= getattr(self, name) <= high:
                problems.append(f"{name} is {getattr(self, name):g} but must be from {low:g} to {high:g}.")
        return problems

    @property
    def augments(self) -> bool:
        """Whether pictures are trained in further versions beside mirrored ones and random crops."""
        return self.colour > 0 or self.rotation > 0 or self.crop_range < 1

    def _sides(self) -> Size:
        return self.resolution if isinstance(self.resolution, tuple) else (self.resolution, self.resolution)

    def areas(self) -> tuple[Size, ...]:
        """Every resolution as (width, height), each once, in the order given."""
        return tuple(dict.fromkeys([self._sides(), *((side, side) for side in self.resolutions)]))


@dataclass(frozen=True, kw_only=True)
class CaptionSpec:
    """How captions become training text.

    `prefix` and `suffix` are joined with `separator`, or as they stand where they bring their own space.
    `trigger` replaces '[trigger]', and leads every caption that does not contain it; regularisation pictures get
    neither trigger, prefix nor suffix. `lines`: of several lines a 'random' one, the 'first', or 'all' as one text.
    `shuffle` mixes the tags behind the first `keep_tokens`, or between `keep_tokens_separator`s
    ("fixed ||| mixed ||| fixed"). `secondary_separator` glues tags that must stay together.
    `caption_dropout` and `tag_dropout` are probabilities 0..1; `caption_dropout_every_n_epochs` empties the captions
    of every n-th epoch (0: never). Over the first `token_warmup_step` updates the loose tags grow from `token_warmup_min`
    to all. `allow_empty` lets pictures train without any text.
    """

    WHERE: ClassVar = "Caption Config"

    prefix: str = ""
    suffix: str = ""
    trigger: str = ""
    lines: str = "random"
    wildcards: bool = False
    shuffle: bool = False
    keep_tokens: int = 0
    keep_tokens_separator: str = "|||"
    secondary_separator: str = ";;;"
    separator: str = ","
    caption_dropout: float = 0.0
    caption_dropout_every_n_epochs: int = 0
    tag_dropout: float = 0.0
    variants: int = 10
    allow_empty: bool = False
    token_warmup_step: int = 0
    token_warmup_min: int = 1

    def __post_init__(self) -> None:
        problems = []
        for name in ("caption_dropout", "tag_dropout"):
            if not 0 <= getattr(self, name) <= 1:
                problems.append(f"{name} is {getattr(self, name)} but must be from 0 to 1 (0.05 to 0.1 is usual).")
        for name, least in (("keep_tokens", 0), ("caption_dropout_every_n_epochs", 0), ("variants", 1),
                            ("token_warmup_step", 0), ("token_warmup_min", 0)):
            if getattr(self, name) < least:
                problems.append(f"{name} is {getattr(self, name)} but must be at least {least}.")
        if self.lines not in LINES:
            problems.append(f"lines is '{self.lines}' but must be one of {', '.join(LINES)}.")
        for name in ("prefix", "suffix", "trigger", "keep_tokens_separator", "secondary_separator", "separator"):
            widget = "trigger_word" if name == "trigger" else name
            problems += text_problems(widget, getattr(self, name), SHORT)
        if not self.separator:
            problems.append("separator is empty. Use ',' (a comma) unless your tags are split by something else.")
        raise_problems(SettingsError, self.WHERE, problems)

    @property
    def joiner(self) -> str:
        """What stands between tags in the text: ', ' for a comma."""
        return self.separator if self.separator.isspace() else self.separator.strip() + " "

    @property
    def mixes(self) -> bool:
        """Whether tags must be taken apart at all; otherwise a caption stays as it was written."""
        return self.shuffle or self.tag_dropout > 0 or self.token_warmup_step > 0

    def tags_at(self, step: int | None, count: int) -> int:
        """How many of `count` loose tags the update with index `step` (from 0) sees, the first ones; all where it is None. With m the
        least and w the updates of the growth: floor(step (count - m) / w) + m, as kohya's token_warmup."""
        least, grown = self.token_warmup_min, self.token_warmup_step
        if step is None or step >= grown:
            return count
        return min(count, math.floor(step * ((count - least) / grown)) + least)
