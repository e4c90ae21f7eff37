"""A batch of draws -> its losses: noise, the model, the objective; and what is held of the base model meanwhile.

The teacher of preservation is the same weights with the adapters off, so there is no second model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

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


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a micro-step computes from, drawn and fed before it begins. `asked` is what the model is asked (`Denoiser.prepared`). With
    preservation: `elsewhere` are other captions, or other noise levels, at which the model is held to what it was; `chosen` (B,) says
    which pictures are held to it in place of being learned, None where none is."""

    latents: Tensor
    noising: Noising
    asked: Any
    masks: Tensor | None
    weights: Tensor
    elsewhere: tuple[Noising, Any] | None = None
    chosen: Tensor | None = None


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
            return self._computed(self.given(draws, strata))

    def given(self, draws: Sequence[Draw], strata: Sequence[tuple[int, int]] | None = None) -> Given:
        """What `computed` needs of one micro-batch."""
        self._network.begin(mix_seed("adapters", *(draw.seed for draw in draws)))
        fed = self.feed.batch(draws)
        noising = self._objective.noise(fed.latents, [draw.seed for draw in draws], strata)
        return Given(
            latents=fed.latents, noising=noising, asked=self._asked(noising, fed.conditions), masks=fed.masks, weights=fed.weights,
            elsewhere=self._elsewhere(draws, fed, noising), chosen=self._chosen(draws, fed),
        )

    def computed(self, given: Given) -> Losses:
        """The losses of what was given: no number comes from elsewhere, but the adapters and what they drop."""
        with self.keeping():
            return self._computed(given)

    def _computed(self, given: Given) -> Losses:
        noising = given.noising
        denoised = self._denoiser.estimate(given.asked)
        losses = self._objective.losses(denoised, given.latents, noising, given.masks, given.weights)
        plain = losses.detach() / given.weights.to(losses)  # a weight of 0 leaves nothing to be said: NaN
        preservation = self._objective.spec.preservation
        if preservation is not None:
            losses = self._preserved(losses, denoised, given, preservation)
        return Losses(losses, plain, noising.position)

    def _preserved(self, losses: Tensor, denoised: Tensor, given: Given, preservation: Preservation) -> Tensor:
        """(B,) losses with the spec's preservation in them."""
        kept = partial(self._objective.preservation_losses, noising=given.noising)
        if isinstance(preservation, OnRegularisation):
            if given.chosen is None:
                return losses
            return torch.where(given.chosen, kept(denoised, self._of_the_base(given.asked), weights=given.weights), losses)
        if isinstance(preservation, OutsideMask):
            return losses if given.masks is None else losses + kept(denoised, self._of_the_base(given.asked), mask=given.masks)
        assert given.elsewhere is not None
        noising, asked = given.elsewhere
        return losses + kept(self._denoiser.estimate(asked), self._of_the_base(asked), noising=noising)

    def _elsewhere(self, draws: Sequence[Draw], fed: Fed, noising: Noising) -> tuple[Noising, Any] | None:
        preservation = self._objective.spec.preservation
        if preservation is None or isinstance(preservation, (OnRegularisation, OutsideMask)):
            return None
        texts = [preservation.caption(self.feed.caption(draw)) for draw in draws]
        if isinstance(preservation, FewSteps):
            noising = self._objective.noise_at_steps(fed.latents, [mix_seed("few steps", draw.seed) for draw in draws])
        return noising, self._asked(noising, self.feed.with_text(draws, fed.conditions, texts))

    def _chosen(self, draws: Sequence[Draw], fed: Fed) -> Tensor | None:
        if not isinstance(self._objective.spec.preservation, OnRegularisation):
            return None
        kind = [self.feed.is_regularisation(draw) for draw in draws]
        return uploaded(torch.tensor(kind), fed.latents.device) if any(kind) else None

    def _asked(self, noising: Noising, conditions: Sequence[Condition]) -> Any:
        return self._denoiser.prepared(noising.x_t, noising.sigma, conditions)

    def _of_the_base(self, asked: Any) -> Tensor:
        """What the model makes of the same with every adapter off; no gradient."""
        with torch.no_grad(), self._network.disabled():
            return self._denoiser.estimate(asked)
