"""Draws -> what a micro-batch is fed with: latents, conditions, masks and weights, from the caches.

What the next micro-batch needs is read from the disk, and put where the card can fetch it, while the card is busy with this one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..data.batches import Draw
from ..data.captions import final_caption
from ..data.conditions import text_condition
from ..data.dataset import REGULARISATION
from ..data.items import Item
from ..data.latents import LatentCache
from ..data.references import Illustrated, Prompt, ReferenceCache
from ..data.texts import TextCache
from ..devices.upload import pinned, uploaded
from ..errors import ModelError
from ..objective.objective import Objective
from ..protocols import Condition, Denoiser, TextCondition, TextEncoder


@dataclass(frozen=True, kw_only=True)
class Fed:
    """Of one micro-batch. `latents` (B, C, H, W) are clean, in the model's space, fp32 on its device; `masks` (B, 1, H, W) in 0..1,
    pictures without one count everywhere, None where no picture has one; `weights` (B,) are what each picture's loss is multiplied by."""

    latents: Tensor
    conditions: list[Condition]
    masks: Tensor | None
    weights: Tensor


@dataclass(frozen=True)
class _Read:
    """What the caches hold of one micro-batch, in main memory."""

    latents: Tensor
    masks: Tensor | None
    texts: list[TextCondition | None]


class Feed:
    """`items` are counted as draws count them. Conditions come from `texts`, the cache; where encoders are `trained`, those make them, and
    `texts` holds what the others give. `references`: those of the items, where the dataset has any."""

    def __init__(
        self,
        *,
        denoiser: Denoiser,
        objective: Objective,
        items: Sequence[Item],
        latents: LatentCache,
        texts: TextCache | None,
        trained: TextEncoder | None = None,
        references: ReferenceCache | None = None,
    ):
        self._denoiser = denoiser
        self._objective = objective
        self._items = items
        self._latents = latents
        self._texts = texts
        self._trained = trained
        self._references = references
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lora-canvas-feed")
        self._coming: dict[tuple[Draw, ...], Future[_Read | None]] = {}

    def prepare(self, draws: Sequence[Draw]) -> None:
        """Begin to read what the micro-batch of these draws needs: the one after that which is about to be asked for."""
        while len(self._coming) > 1:  # of a step that was never made
            self._coming.pop(next(iter(self._coming)))
        if tuple(draws) not in self._coming:
            self._coming[tuple(draws)] = self._reader.submit(self._read_ahead, tuple(draws))

    def batch(self, draws: Sequence[Draw]) -> Fed:
        coming = self._coming.pop(tuple(draws), None)
        # What could not be read ahead is read now, where that can be said.
        read = (coming.result() if coming is not None and coming.exception() is None else None) or self._read(draws)
        device = self._denoiser.device
        samples = [self._item(draw).sample for draw in draws]
        weights = [self._objective.sample_weight(sample.weight, sample.role == REGULARISATION) for sample in samples]
        return Fed(
            latents=self._denoiser.to_model_space(uploaded(read.latents, device).float()),
            conditions=[self._condition(draw, text) for draw, text in zip(draws, read.texts, strict=True)],
            masks=None if read.masks is None else uploaded(read.masks, device),
            weights=uploaded(torch.tensor(weights), device),
        )

    def with_text(self, draws: Sequence[Draw], conditions: Sequence[Condition], texts: Sequence[str]) -> list[Condition]:
        """The conditions of these draws with other captions."""
        prompts = [self._prompt(self._item(draw), text) for draw, text in zip(draws, texts, strict=True)]
        return [replace(old, text=self._text(prompt)) for old, prompt in zip(conditions, prompts, strict=True)]

    def caption(self, draw: Draw) -> str:
        """The exact text that this draw is trained with."""
        return final_caption(self._item(draw).sample, draw.seed, draw.epoch, draw.step)

    def is_regularisation(self, draw: Draw) -> bool:
        return self._item(draw).sample.role == REGULARISATION

    def name(self, draw: Draw) -> str:
        """The picture's name, for messages."""
        return self._item(draw).sample.name

    def _read_ahead(self, draws: Sequence[Draw]) -> _Read | None:
        """None where a picture must be encoded first."""
        entries = [self._latents.there(self._item(draw)) for draw in draws]
        there = [entry for entry in entries if entry is not None]
        return self._put_together(there, [self._known(draw) for draw in draws]) if len(there) == len(draws) else None

    def _read(self, draws: Sequence[Draw]) -> _Read:
        return self._put_together([self._latents.entry(self._item(draw)) for draw in draws], [None for _ in draws])

    def _put_together(self, entries: Sequence[Mapping[str, Tensor]], texts: list[TextCondition | None]) -> _Read:
        device = self._denoiser.device
        masks = [entry.get("mask") for entry in entries]
        shape = next((mask.shape for mask in masks if mask is not None), None)
        together = None if shape is None else torch.stack([torch.ones(shape) if mask is None else mask for mask in masks])[:, None]
        return _Read(
            latents=pinned(torch.stack([entry["latent"] for entry in entries]), device),
            masks=None if together is None else pinned(together, device),
            texts=[None if text is None else text_condition({**text.tensors, **text.values}, lambda own: pinned(own, device))
                   for text in texts],
        )

    def _condition(self, draw: Draw, text: TextCondition | None) -> Condition:
        item, guidance = self._item(draw), self._objective.spec.guidance
        extras = {} if guidance is None else {"guidance": guidance}
        return Condition(
            text=item.sample.condition or self._text(self._prompt(item, self.caption(draw)), text), geometry=item.geometry,
            extras={**extras, **(self._references.extras(item) if self._references else {})},
        )

    def _known(self, draw: Draw) -> TextCondition | None:
        """What the cache holds of this draw's caption."""
        item = self._item(draw)
        return None if self._texts is None or item.sample.condition else self._texts.there(self._prompt(item, self.caption(draw)))

    def _text(self, prompt: Prompt, known: TextCondition | None = None) -> TextCondition:
        if known is None and self._texts is not None:
            known = self._texts.get(prompt)
        if self._trained is not None:
            return self._trained.encode_trainable(_spoken(prompt), known)
        assert known is not None, "without a cache the encoders are trained"
        return known

    def _prompt(self, item: Item, text: str) -> Prompt:
        return self._references.prompt(item, text) if self._references else text

    def _item(self, draw: Draw) -> Item:
        """The item as this draw sees it: mirrored or cropped elsewhere where the dataset asks for it."""
        return self._items[draw.item].variant(draw.seed)


def _spoken(prompt: Prompt) -> str:
    """Text encoders that see pictures have no place in a LoRA file: they are never trained."""
    if isinstance(prompt, Illustrated):
        raise ModelError("Train LoRA", ["this text encoder sees references, and cannot be trained. Set text_encoder_lr on Optimizer to 0."])
    return prompt
