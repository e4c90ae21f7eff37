"""Keeping what the base model can do: the same weights with the adapters off are the teacher, so no second model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..data.batches import Draw
from ..objective.objective import Noising
from ..objective.preservation import OnRegularisation, OutsideMask
from ..protocols import Condition

if TYPE_CHECKING:
    from .stepper import Stepper


@dataclass(frozen=True)
class Seen:
    """What a micro-step has already computed."""

    draws: Sequence[Draw]
    denoised: Tensor
    noising: Noising
    conditions: list[Condition]
    masks: Tensor | None
    weights: Tensor


def preserved(stepper: "Stepper", losses: Tensor, seen: Seen) -> Tensor:
    """(B,) losses with the spec's preservation in them."""
    preservation = stepper.objective.spec.preservation
    if isinstance(preservation, OnRegularisation):
        return _on_regularisation(stepper, losses, seen)
    if isinstance(preservation, OutsideMask):
        return _outside_mask(stepper, losses, seen)
    texts = [preservation.caption(stepper.caption(draw)) for draw in seen.draws]
    return losses + _with_other_captions(stepper, seen, texts)


def _on_regularisation(stepper: "Stepper", losses: Tensor, seen: Seen) -> Tensor:
    chosen = torch.tensor([stepper.is_regularisation(draw) for draw in seen.draws], device=losses.device)
    if not chosen.any():
        return losses
    base = stepper.base_denoised(seen.noising, seen.conditions)
    kept = stepper.objective.preservation_losses(seen.denoised, base, seen.noising, weights=seen.weights)
    return torch.where(chosen, kept, losses)


def _outside_mask(stepper: "Stepper", losses: Tensor, seen: Seen) -> Tensor:
    if seen.masks is None:
        return losses
    base = stepper.base_denoised(seen.noising, seen.conditions)
    return losses + stepper.objective.preservation_losses(seen.denoised, base, seen.noising, mask=seen.masks)


def _with_other_captions(stepper: "Stepper", seen: Seen, texts: Sequence[str]) -> Tensor:
    conditions = stepper.with_text(seen.conditions, texts)
    denoised = stepper.denoiser.denoise(seen.noising.x_t, seen.noising.sigma, conditions)
    base = stepper.base_denoised(seen.noising, conditions)
    return stepper.objective.preservation_losses(denoised, base, seen.noising)
