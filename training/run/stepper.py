"""A batch of draws -> its losses: latents and captions from the caches, noise, the model, the objective."""

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
from ..network.build import Network
from ..objective.objective import Noising, Objective
from ..protocols import Condition, Denoiser, TextCondition
from ..seeds import mix_seed
from .preserve import Seen, preserved


class Stepper:
    """`text_of(caption)` gives the condition: from the cache, or encoded with gradient when encoders are trained."""

    def __init__(
        self,
        *,
        denoiser: Denoiser,
        objective: Objective,
        network: Network,
        items: Sequence[Item],
        latents: LatentCache,
        text_of: Callable[[str], TextCondition],
    ):
        self.denoiser = denoiser
        self.objective = objective
        self.network = network
        self._items = items
        self._latents = latents
        self._text_of = text_of

    def losses(self, draws: Sequence[Draw], strata: Sequence[tuple[int, int]] | None = None) -> Tensor:
        """(B,) fp32 losses of one micro-batch, differentiable in the adapters.

        `strata` places each draw in the whole update, for stratified timesteps."""
        self.network.begin(mix_seed("adapters", *(draw.seed for draw in draws)))
        x0 = self.latents(draws)
        conditions = self.conditions(draws)
        noising = self.objective.noise(x0, [draw.seed for draw in draws], strata)
        denoised = self.denoiser.denoise(noising.x_t, noising.sigma, conditions)
        masks, weights = self.masks(draws), self.weights(draws)
        losses = self.objective.losses(denoised, x0, noising, masks, weights)
        if self.objective.spec.preservation is None:
            return losses
        return preserved(self, losses, Seen(draws, denoised, noising, conditions, masks, weights))

    def latents(self, draws: Sequence[Draw]) -> Tensor:
        """(B, C, H, W) clean latents in the model's space, fp32 on its device."""
        stacked = torch.stack([self._latents.get(self._item(draw)) for draw in draws])
        return self.denoiser.to_model_space(stacked.to(self.denoiser.device, torch.float32))

    def _item(self, draw: Draw) -> Item:
        """The item as this draw sees it: mirrored or cropped elsewhere where the dataset asks for it."""
        return self._items[draw.item].variant(draw.seed)

    def conditions(self, draws: Sequence[Draw]) -> list[Condition]:
        guidance = self.objective.spec.guidance
        extras = {} if guidance is None else {"guidance": guidance}
        return [
            Condition(text=item.sample.condition or self._text_of(self.caption(draw)), geometry=item.geometry, extras=extras)
            for draw, item in ((draw, self._item(draw)) for draw in draws)
        ]

    def caption(self, draw: Draw) -> str:
        """The exact text that this draw is trained with."""
        return final_caption(self._item(draw).sample, draw.seed, draw.epoch)

    def is_regularisation(self, draw: Draw) -> bool:
        return self._item(draw).sample.role == REGULARISATION

    def name(self, draw: Draw) -> str:
        """The picture's name, for messages."""
        return self._item(draw).sample.name

    def weights(self, draws: Sequence[Draw]) -> Tensor:
        samples = [self._item(draw).sample for draw in draws]
        weights = [self.objective.sample_weight(sample.weight, sample.role == REGULARISATION) for sample in samples]
        return torch.tensor(weights, device=self.denoiser.device)

    def masks(self, draws: Sequence[Draw]) -> Tensor | None:
        """(B, 1, H, W) in 0..1; pictures without a mask count everywhere."""
        masks = [self._latents.mask(self._item(draw)) for draw in draws]
        if all(mask is None for mask in masks):
            return None
        shape = next(mask.shape for mask in masks if mask is not None)
        return torch.stack([torch.ones(shape) if mask is None else mask for mask in masks])[:, None].to(self.denoiser.device)

    def base_denoised(self, noising: Noising, conditions: Sequence[Condition]) -> Tensor:
        """What the model makes of the same noisy latents with every adapter off; no gradient, no second model."""
        with torch.no_grad(), self.network.disabled():
            return self.denoiser.denoise(noising.x_t, noising.sigma, conditions)

    def with_text(self, conditions: Sequence[Condition], texts: Sequence[str]) -> list[Condition]:
        """The same conditions with other captions."""
        return [replace(old, text=self._text_of(text)) for old, text in zip(conditions, texts, strict=True)]
