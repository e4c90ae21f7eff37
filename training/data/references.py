"""What an edit model is shown beside the caption: the references of an item as it sees them, and the cache of their latents.

An item that is mirrored or cut sees its references mirrored and cut the same way, where they have the picture's shape; else
the pair would teach the model to shift what it copies. A reference of another shape is shown whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..errors import DatasetError
from ..events import Event, Message, Progress
from ..files.overflow import Overflow
from ..files.store import GIGABYTE, TensorStore, content_key
from ..processes.sharing import Sharing
from .colour import colour_of
from .dataset import Picture, Sample
from .encoded import plain
from .items import Item
from .pictures import changed_under_way, require_unchanged
from .specs import Size

if TYPE_CHECKING:
    from ..protocols import ReferenceEncoder

WHERE = "Train LoRA"
FORMAT = 1
SAME_SHAPE = 0.02
"""Up to this difference of their aspect ratios a reference is cut as its picture is."""
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class View:
    """A reference as an item sees it: mirrored, then cut to `box` (left, top, right, bottom) of its own pixels. `target` is
    the size of the item (width, height). `sample` says what becomes of transparency."""

    picture: Picture
    sample: Sample = field(repr=False)
    box: Box
    target: Size
    flip: bool = False

    def pixels(self) -> torch.Tensor:
        """(1, h, w, 3) float32 in 0..1, as an IMAGE of the graph. Raises DatasetError naming the file."""
        colour = colour_of(self.sample, self.picture)
        require_unchanged(self.sample)
        left, top, right, bottom = self.box
        shown = (colour[:, ::-1] if self.flip else colour)[top:bottom, left:right]
        return torch.from_numpy(np.ascontiguousarray(shown)).float()[None] / 255

    def content(self) -> tuple:
        """Everything that shapes `pixels`, JSON-ready."""
        return self.picture.digest(), self.sample.alpha == "ignore", self.sample.background, self.box, self.flip


@dataclass(frozen=True)
class Illustrated:
    """A caption that the text encoder reads beside pictures."""

    text: str
    views: tuple[View, ...]


Prompt = str | Illustrated


def whole_views(sample: Sample, target: Size) -> tuple[View, ...]:
    """The references as they are: what a picture of `target` size is sampled with."""
    return tuple(View(picture, sample, (0, 0, *picture.size()), target) for picture in sample.references)


def views_of(item: Item) -> tuple[View, ...]:
    """The references as this item (mirrored, cropped as it is) sees them."""
    return tuple(
        View(picture, item.sample, _box(item, picture.size()), item.bucket, item.flip) for picture in item.sample.references
    )


def _box(item: Item, size: Size) -> Box:
    (width, height), (own_width, own_height) = size, item.geometry.original
    if abs(width / height / (own_width / own_height) - 1) > SAME_SHAPE:
        return 0, 0, width, height
    (left, top), (across, down) = item.geometry.crop, item.bucket
    scale = width / item.resized[0], height / item.resized[1]
    return round(left * scale[0]), round(top * scale[1]), round((left + across) * scale[0]), round((top + down) * scale[1])


class ReferenceCache:
    """Latents of references, each encoded once. With a `folder` they live there and are read when asked for; else in memory,
    or as `overflow` has room for them."""

    def __init__(self, encoder: "ReferenceEncoder", folder: Path | None = None, *, size_limit: int = 50 * GIGABYTE,
                 overflow: Overflow | None = None):
        self._encoder = encoder
        self._store = TensorStore(folder, size_limit) if folder else overflow.of("references") if overflow else None
        self._memory: dict[str, torch.Tensor] = {}
        self._keys: dict[View, str] = {}

    def encode_missing(
        self,
        items: Sequence[Item],
        emit: Callable[[Event], None] = lambda event: None,
        check: Callable[[], None] = lambda: None,
        *,
        skip_unreadable: bool = False,
        among: Sharing | None = None,
    ) -> tuple[Item, ...]:
        """Encode what is not cached yet, variants included, and return the items that can be trained; `among` others, this process' part
        first. `check` may raise to cancel. References that cannot be read raise one DatasetError, or leave their items out where
        `skip_unreadable`."""
        bad: dict[Sample, str] = {}
        wanted = list(dict.fromkeys(view for item in items for variant in item.variants() for view in views_of(variant)))
        if among is not None:
            for view in among.mine("references", wanted, check):
                self._try(view, bad, check)
            among.met("references", {}, check)
        for done, view in enumerate(wanted):
            emit(Progress(phase="references", done=done, total=len(wanted)))
            self._try(view, bad, check)
        if wanted:
            emit(Progress(phase="references", done=len(wanted), total=len(wanted)))
        if bad and not skip_unreadable:
            raise DatasetError(WHERE, bad.values())
        for problem in bad.values():
            emit(Message(level="warning", topic="pictures", text=f"left out: {problem}"))
        if self._store:
            self._store.settle(self._keys.values(), emit)
        return tuple(item for item in items if item.sample not in bad)

    def _try(self, view: View, bad: dict[Sample, str], check: Callable[[], None]) -> None:
        check()
        try:
            self._latent(view)
        except DatasetError as error:
            bad[view.sample] = error.problems[0]

    def prompt(self, item: Item, text: str) -> Prompt:
        """What the text encoder is given for this item's caption."""
        return Illustrated(text, views_of(item)) if self._encoder.looks and item.sample.references else text

    def extras(self, item: Item) -> dict[str, Any]:
        """What the item's references put into its condition: 'reference_latents', a list of (1, C, …, H, W), and how the
        family reads them; {} without references."""
        views = views_of(item)
        return {"reference_latents": [self._latent(view) for view in views], **self._encoder.extras} if views else {}

    def places(self, item: Item) -> int:
        """How many places of a latent the item's references have together."""
        return sum(math.prod(self._latent(view).shape[2:]) for view in views_of(item))

    def _latent(self, view: View) -> torch.Tensor:
        key = self._key(view)
        if key in self._memory:
            return self._memory[key]
        entry = self._store.get(key) if self._store else None
        return entry["latent"] if entry else self._encode(view, key)

    def _key(self, view: View) -> str:
        if view not in self._keys:
            self._keys[view] = self._key_now(view)
        return self._keys[view]

    def _key_now(self, view: View) -> str:
        target = view.target if self._encoder.follows_target else None
        return content_key("reference", FORMAT, self._encoder.identity, view.content(), target)

    def _encode(self, view: View, key: str) -> torch.Tensor:
        pixels = view.pixels()
        if self._key_now(view) != key:
            raise changed_under_way(f"a reference of {view.sample.name}")
        latent = plain(self._encoder.encode(pixels, view.target)).float()
        if not bool(latent.isfinite().all()):
            raise DatasetError(WHERE, [
                f"a reference of {view.sample.name}: the VAE made NaN or infinite values of it. Start ComfyUI with --fp32-vae, or "
                "load a VAE that is fixed for fp16."
            ])
        if self._store:
            self._store.put(key, {"latent": latent})
        else:
            self._memory[key] = latent
        return latent
