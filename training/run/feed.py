"""Draws -> what a micro-batch is fed with: latents, conditions, masks and weights, from the caches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ..data.batches import Draw
from ..data.captions import final_caption
from ..data.dataset import REGULARISATION
from ..data.items import Item
from ..data.latents import LatentCache
from ..data.references import Prompt, ReferenceCache
from ..objective.objective import Objective
from ..protocols import Condition, Denoiser, TextCondition


class Feed:
    """`items` are counted as draws count them. `text_of(caption)` gives the condition: from the cache, or encoded with
    gradient when encoders are trained. `references`: those of the items, where the dataset has any."""

    def __init__(
        self,
        *,
        denoiser: Denoiser,
        objective: Objective,
        items: Sequence[Item],
        latents: LatentCache,
        text_of: Callable[[Prompt], TextCondition],
        references: ReferenceCache | None = None,
    ):
        self._denoiser = denoiser
        self._objective = objective
        self._items = items
        self._latents = latents
        self._text_of = text_of
        self._references = references

    def latents(self, draws: Sequence[Draw]) -> Tensor:
        """(B, C, H, W) clean latents in the model's space, fp32 on its device."""
        stacked = torch.stack([self._latents.get(self._item(draw)) for draw in draws])
        return self._denoiser.to_model_space(stacked.to(self._denoiser.device, torch.float32))

    def conditions(self, draws: Sequence[Draw]) -> list[Condition]:
        guidance = self._objective.spec.guidance
        extras = {} if guidance is None else {"guidance": guidance}
        return [
            Condition(
                text=item.sample.condition or self._text_of(self._prompt(item, self.caption(draw))), geometry=item.geometry,
                extras={**extras, **(self._references.extras(item) if self._references else {})},
            )
            for draw, item in ((draw, self._item(draw)) for draw in draws)
        ]

    def with_text(self, draws: Sequence[Draw], conditions: Sequence[Condition], texts: Sequence[str]) -> list[Condition]:
        """The conditions of these draws with other captions."""
        prompts = [self._prompt(self._item(draw), text) for draw, text in zip(draws, texts, strict=True)]
        return [replace(old, text=self._text_of(prompt)) for old, prompt in zip(conditions, prompts, strict=True)]

    def masks(self, draws: Sequence[Draw]) -> Tensor | None:
        """(B, 1, H, W) in 0..1; pictures without a mask count everywhere. None where no picture has one."""
        masks = [self._latents.mask(self._item(draw)) for draw in draws]
        shape = next((mask.shape for mask in masks if mask is not None), None)
        if shape is None:
            return None
        return torch.stack([torch.ones(shape) if mask is None else mask for mask in masks])[:, None].to(self._denoiser.device)

    def weights(self, draws: Sequence[Draw]) -> Tensor:
        """(B,) what each picture's loss is multiplied by."""
        samples = [self._item(draw).sample for draw in draws]
        weights = [self._objective.sample_weight(sample.weight, sample.role == REGULARISATION) for sample in samples]
        return torch.tensor(weights, device=self._denoiser.device)

    def caption(self, draw: Draw) -> str:
        """The exact text that this draw is trained with."""
        return final_caption(self._item(draw).sample, draw.seed, draw.epoch)

    def is_regularisation(self, draw: Draw) -> bool:
        return self._item(draw).sample.role == REGULARISATION

    def name(self, draw: Draw) -> str:
        """The picture's name, for messages."""
        return self._item(draw).sample.name

    def _prompt(self, item: Item, text: str) -> Prompt:
        return self._references.prompt(item, text) if self._references else text

    def _item(self, draw: Draw) -> Item:
        """The item as this draw sees it: mirrored or cropped elsewhere where the dataset asks for it."""
        return self._items[draw.item].variant(draw.seed)
