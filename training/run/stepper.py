"""A batch of draws -> its losses: noise, the model, the objective; and what is held of the base model meanwhile.

The teacher of preservation is the same weights with the adapters off, so there is no second model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..data.batches import Draw
from ..devices.upload import uploaded
from ..network.network import Network
from ..objective.objective import Noising, Objective
from ..objective.preservation import FewSteps, OnRegularisation, OutsideMask, Preservation
from ..protocols import Condition, Denoiser
from ..seeds import mix_seed
from .feed import Fed, Feed


@dataclass(frozen=True)
class _Seen:
    """What a micro-step has already computed."""

    draws: Sequence[Draw]
    fed: Fed
    denoised: Tensor
    noising: Noising


@dataclass(frozen=True)
class Losses:
    """Of one micro-batch, (B,) each, fp32: `trained` is what is learned from, differentiable in the adapters; `plain` is without
    the pictures' weights and without preservation; `position` is the noise level in 0..1."""

    trained: Tensor
    plain: Tensor
    position: Tensor


class Stepper:
    """One model, one objective, the adapters that are trained, and what they are fed with. `keeping` is open while a forward runs:
    it decides where what autograd keeps lies until backward."""

    def __init__(self, *, denoiser: Denoiser, objective: Objective, network: Network, feed: Feed):
        self.feed = feed
        self.keeping: Callable[[], AbstractContextManager[None]] = nullcontext
        self._denoiser = denoiser
        self._objective = objective
        self._network = network

    def losses(self, draws: Sequence[Draw]) -> Tensor:
        """(B,) fp32 losses of one micro-batch, differentiable in the adapters."""
        return self.look(draws).trained

    def look(self, draws: Sequence[Draw], strata: Sequence[tuple[int, int]] | None = None) -> Losses:
        """The losses of one micro-batch, and what they say of the model.

        `strata` places each draw in the whole update, for stratified timesteps."""
        with self.keeping():
            return self._look(draws, strata)

    def _look(self, draws: Sequence[Draw], strata: Sequence[tuple[int, int]] | None) -> Losses:
        self._network.begin(mix_seed("adapters", *(draw.seed for draw in draws)))
        fed = self.feed.batch(draws)
        noising = self._objective.noise(fed.latents, [draw.seed for draw in draws], strata)
        denoised = self._denoiser.denoise(noising.x_t, noising.sigma, fed.conditions)
        losses = self._objective.losses(denoised, fed.latents, noising, fed.masks, fed.weights)
        plain = losses.detach() / fed.weights.to(losses)  # a weight of 0 leaves nothing to be said: NaN
        preservation = self._objective.spec.preservation
        if preservation is not None:
            losses = self._preserved(losses, _Seen(draws, fed, denoised, noising), preservation)
        return Losses(losses, plain, noising.position)

    def _preserved(self, losses: Tensor, seen: _Seen, preservation: Preservation) -> Tensor:
        """(B,) losses with the spec's preservation in them."""
        if isinstance(preservation, OnRegularisation):
            return self._on_regularisation(losses, seen)
        if isinstance(preservation, OutsideMask):
            return self._outside_mask(losses, seen)
        texts = [preservation.caption(self.feed.caption(draw)) for draw in seen.draws]
        if isinstance(preservation, FewSteps):
            seeds = [mix_seed("few steps", draw.seed) for draw in seen.draws]
            seen = replace(seen, noising=self._objective.noise_at_steps(seen.fed.latents, seeds))
        return losses + self._with_other_captions(seen, texts)

    def _on_regularisation(self, losses: Tensor, seen: _Seen) -> Tensor:
        kind = [self.feed.is_regularisation(draw) for draw in seen.draws]
        if not any(kind):
            return losses
        chosen = uploaded(torch.tensor(kind), losses.device)
        base = self._base_denoised(seen.noising, seen.fed.conditions)
        kept = self._objective.preservation_losses(seen.denoised, base, seen.noising, weights=seen.fed.weights)
        return torch.where(chosen, kept, losses)

    def _outside_mask(self, losses: Tensor, seen: _Seen) -> Tensor:
        if seen.fed.masks is None:
            return losses
        base = self._base_denoised(seen.noising, seen.fed.conditions)
        return losses + self._objective.preservation_losses(seen.denoised, base, seen.noising, mask=seen.fed.masks)

    def _with_other_captions(self, seen: _Seen, texts: Sequence[str]) -> Tensor:
        conditions = self.feed.with_text(seen.draws, seen.fed.conditions, texts)
        denoised = self._denoiser.denoise(seen.noising.x_t, seen.noising.sigma, conditions)
        base = self._base_denoised(seen.noising, conditions)
        return self._objective.preservation_losses(denoised, base, seen.noising)

    def _base_denoised(self, noising: Noising, conditions: Sequence[Condition]) -> Tensor:
        """What the model makes of the same noisy latents with every adapter off; no gradient."""
        with torch.no_grad(), self._network.disabled():
            return self._denoiser.denoise(noising.x_t, noising.sigma, conditions)
