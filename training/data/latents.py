"""The VAE latents of every item, encoded once: in memory, or on disk by content."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import astuple
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import interpolate

from ..errors import DatasetError
from ..events import Event, Message, Progress
from ..files.overflow import Overflow
from ..files.store import GIGABYTE, TensorStore, content_key
from ..processes.sharing import Sharing
from .altered import Alteration
from .colour import full_mask
from .encoded import plain
from .items import Item, cut_mask, items_pixels
from .pictures import changed_under_way, require_unchanged

if TYPE_CHECKING:
    from ..protocols import ImageEncoder
    from .dataset import Sample

WHERE = "Train LoRA"
FORMAT = 1
"""Part of every key: raise it when `item_pixels` changes what it returns."""
PIXELS_PER_BATCH = 2 * 1024 * 1024
HUGE_PIXELS = 25_000_000
"""Above this (100 MB as RGBA) pictures and clips are decoded one at a time, so that threads cannot exhaust memory."""
Tensors = dict[str, torch.Tensor]
Loaded = tuple[torch.Tensor, torch.Tensor | None]
"""Pixels (h, w, 3), of a clip (frames, h, w, 3), and mask (h, w) or None."""
_one_huge_picture = threading.Lock()


def latent_key(item: Item, identity: str) -> str:
    """Changes with the picture, its crop, its mask, and the VAE: with everything that shapes the entry."""
    sample, geometry = item.sample, item.geometry
    return content_key(
        "latent", FORMAT, identity, sample.picture.digest(), sample.mask.digest() if sample.mask else None,
        sample.alpha, sample.background, geometry.original, item.resized, geometry.crop, geometry.target, item.flip,
        *([astuple(item.altered)] if item.altered != Alteration() else []),
    )


class LatentCache:
    """Latents and masks of items. With a `folder` they live there and are read when asked for; else in memory,
    or as `overflow` has room for them."""

    def __init__(
        self,
        encoder: "ImageEncoder",
        folder: Path | None = None,
        *,
        size_limit: int = 50 * GIGABYTE,
        overflow: Overflow | None = None,
        pixels_per_batch: int = PIXELS_PER_BATCH,
    ):
        self._encoder = encoder
        self._store = TensorStore(folder, size_limit) if folder else overflow.of("latents") if overflow else None
        self._pixels_per_batch = pixels_per_batch
        self._memory: dict[str, Tensors] = {}
        self._keys: dict[Item, str] = {}

    def encode_missing(
        self,
        items: Sequence[Item],
        emit: Callable[[Event], None] = lambda event: None,
        check: Callable[[], None] = lambda: None,
        *,
        skip_unreadable: bool = False,
        at_once: int | None = None,
        among: Sharing | None = None,
    ) -> tuple[Item, ...]:
        """Encode what is not cached yet, variants included, and return the items that can be trained; `among` others, this process' part.

        `check` is called between batches and may raise to cancel; what is encoded by then stays cached.
        All pictures that cannot be read are named in one DatasetError at the end, or left out with a warning where
        `skip_unreadable`. A latent that is NaN or infinite raises at once. `at_once`: as many of the largest pictures are encoded
        together at most, and what is as large of others; None: what is usual.
        """
        bad: dict["Sample", str] = {}
        total = sum(len(item.variants()) for item in items)
        emit(Progress(phase="latents", done=0, total=total))  # hashing the files of a large folder takes a while
        missing, pixels = self._missing(items, bad, check), self._pixels_of(items, at_once)
        mine = [each for group in (among or Sharing()).mine("pictures", _by_sample(missing), check) for each in group]
        total -= len(missing) - len(mine)
        emit(Progress(phase="latents", done=total - len(mine), total=total))
        for left in self._encoded(mine, pixels, bad, check):
            emit(Progress(phase="latents", done=total - left, total=total))
        if among is not None:
            _agree(among, items, bad, check)
            for _ in self._encoded(self._missing([each for each in items if each.sample not in bad], bad, check), pixels, bad, check):
                pass  # what another process could not leave here
        if bad and not skip_unreadable:
            raise DatasetError(WHERE, bad.values())
        for problem in bad.values():
            emit(Message(level="warning", topic="pictures", text=f"left out: {problem}"))
        if self._store:
            self._store.settle(self._keys.values(), emit)
        return tuple(item for item in items if item.sample not in bad)

    def _encoded(self, missing: Sequence[Item], pixels: int, bad: "dict[Sample, str]", check: Callable[[], None]) -> Iterator[int]:
        """How many are left, batch by batch."""
        left = len(missing)
        for batch, loaded in self._loaded(self._batches(missing, pixels), check):
            ready = _readable(loaded, bad)
            if ready:
                self._encode(ready)
            left -= len(batch)
            yield left

    def get(self, item: Item) -> torch.Tensor:
        """The latent of `entry`."""
        return self.entry(item)["latent"]

    def mask(self, item: Item) -> torch.Tensor | None:
        """The mask of `entry`; None where everything counts fully."""
        return self.entry(item).get("mask")

    def _key(self, item: Item) -> str:
        if item not in self._keys:
            self._keys[item] = latent_key(item, self._encoder.identity)
        return self._keys[item]

    def there(self, item: Item) -> Mapping[str, torch.Tensor] | None:
        """`entry` where it need not be encoded; may be asked by another thread."""
        return item.sample.picture.encoded or self._kept(self._key(item))

    def entry(self, item: Item) -> Mapping[str, torch.Tensor]:
        """'latent' (C, H, W), with a time axis (C, T, H, W), and where not everything counts fully 'mask' (H, W) in 0..1 at latent
        size, area-averaged; float32 on the CPU. What has vanished from the disk is encoded again."""
        entry = self.there(item)
        if entry is None:
            self._encode([(item, loaded) for loaded in self._load([item])])
            entry = self._kept(self._key(item))
            assert entry is not None, "what was just encoded is kept, or the store would have raised"
        return entry

    def _kept(self, key: str) -> Tensors | None:
        return self._memory.get(key) or (self._store.get(key) if self._store else None)

    def _missing(self, items: Iterable[Item], bad: "dict[Sample, str]", check: Callable[[], None]) -> list[Item]:
        """The variants without a cache entry, each content once; pictures that cannot be read go to `bad`."""
        found: dict[str, Item] = {}
        for item in items:
            check()
            if item.sample.picture.encoded is not None:
                continue
            for variant in item.variants():
                try:
                    key = self._key(variant)
                except DatasetError as error:
                    bad[item.sample] = error.problems[0]
                    break
                if key not in self._memory and not (self._store and self._store.has(key)):
                    found.setdefault(key, variant)
        return list(found.values())

    def _pixels_of(self, items: Sequence[Item], at_once: int | None) -> int:
        """Of a batch, at most."""
        largest = max((math.prod(item.shape) for item in items), default=0)
        return self._pixels_per_batch if at_once is None else min(self._pixels_per_batch, at_once * largest)

    def _batches(self, items: Sequence[Item], pixels: int) -> list[list[Item]]:
        by_size: dict[tuple[int, ...], list[Item]] = {}
        for item in items:
            by_size.setdefault(item.shape, []).append(item)
        return [
            members[start : start + count]
            for shape, members in by_size.items()
            for count in [max(1, pixels // math.prod(shape))]
            for start in range(0, len(members), count)
        ]

    def _loaded(
        self, batches: list[list[Item]], check: Callable[[], None]
    ) -> Iterator[tuple[list[Item], list[tuple[list[Item], Future]]]]:
        """Each batch with its pictures decoded; the next batch is decoded in threads while this one is encoded."""
        with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1), thread_name_prefix="lora-canvas-decode") as pool:
            waiting: list[list[tuple[list[Item], Future]]] = []
            try:
                for index, batch in enumerate(batches):
                    while len(waiting) <= index + 1 and len(waiting) < len(batches):
                        groups = _by_sample(batches[len(waiting)])
                        waiting.append([(group, pool.submit(self._load, group)) for group in groups])
                    check()
                    yield batch, waiting[index]
                    waiting[index] = []
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _load(self, items: Sequence[Item]) -> list[Loaded]:
        """Pixels and mask of items of one sample. Raises DatasetError where they may be another content's than their keys say."""
        loaded = _load(items)
        require_unchanged(items[0].sample)
        if latent_key(items[0], self._encoder.identity) != self._key(items[0]):
            raise changed_under_way(items[0].sample.name)
        return loaded

    def _encode(self, loaded: list[tuple[Item, Loaded]]) -> None:
        pixels = torch.stack([picture for _, (picture, _) in loaded])
        latents = plain(self._encoder.encode(pixels)).float()
        _refuse_non_finite([item for item, _ in loaded], latents)
        for (item, (_, mask)), latent in zip(loaded, latents, strict=True):
            entry = {"latent": latent.clone()}
            if mask is not None:
                entry["mask"] = interpolate(mask[None, None], size=latent.shape[-2:], mode="area")[0, 0]
            if self._store:
                self._store.put(self._key(item), entry)
            else:
                self._memory[self._key(item)] = entry


def _agree(among: Sharing, items: Sequence[Item], bad: "dict[Sample, str]", check: Callable[[], None]) -> None:
    """What any process cannot read is bad for all."""
    own = {place: bad[item.sample] for place, item in enumerate(items) if item.sample in bad}
    bad |= {items[place].sample: why for place, why in among.met("pictures", own, check).items() if place < len(items)}


def _by_sample(items: Sequence[Item]) -> list[list[Item]]:
    """Neighbours that show the same picture, mirrored or cropped otherwise: it is decoded once for all of them."""
    return [list(group) for _, group in groupby(items, key=lambda item: id(item.sample))]


def _load(items: Sequence[Item]) -> list[Loaded]:
    """Pixels and mask of items of one sample."""
    largest = max(math.prod(items[0].geometry.original), *(math.prod(item.shape) for item in items))
    with _one_huge_picture if largest > HUGE_PIXELS else nullcontext():
        mask = full_mask(items[0].sample)
        return [(pixels, cut_mask(mask, item)) for item, pixels in zip(items, items_pixels(items), strict=True)]


def _readable(loaded: list[tuple[list[Item], Future]], bad: "dict[Sample, str]") -> list[tuple[Item, Loaded]]:
    ready = []
    for group, future in loaded:
        try:
            ready += zip(group, future.result(), strict=True)
        except DatasetError as error:
            bad[group[0].sample] = error.problems[0]
    return ready


def _refuse_non_finite(items: Sequence[Item], latents: torch.Tensor) -> None:
    finite = latents.flatten(1).isfinite().all(dim=1)
    problems = [
        f"{item.sample.name}: the VAE made NaN or infinite values of it. If every picture fails, the VAE overflows in "
        "half precision: start ComfyUI with --fp32-vae, or load a VAE that is fixed for fp16."
        for item, good in zip(items, finite.tolist(), strict=True)
        if not good
    ]
    if problems:
        raise DatasetError(WHERE, problems)
