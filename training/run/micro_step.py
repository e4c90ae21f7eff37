"""Forward and backward of one micro-batch: as Python goes through the model, or replayed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..data.batches import Draw
from ..events import Message
from ..graph.replays import Replays
from ..memory.choice import MAIN_MEMORY
from ..order import Order
from .stepper import Given, Losses
from .trainer import Trainer


def micro_step(trainer: Trainer, draws: Sequence[Draw], strata: Sequence[tuple[int, int]], total: int) -> Tensor:
    """The gradients of one micro-batch of an update of `total` pictures are added to those of the others. (3, items) on the device: the
    losses, the plain ones, and the noise levels."""
    if trainer.replays is None:
        losses = trainer.stepper.look(draws, strata)
        trainer.updater.backward(losses.trained.sum() / total)
        return _rows(losses)
    given = trainer.stepper.given(draws, strata)
    upstream = torch.full((len(draws),), trainer.updater.scaler.get_scale() / total, device=given.latents.device)
    return trainer.replays.made(given, upstream, f"latents of {' x '.join(map(str, given.latents.shape))}")


def replays_for(order: Order, trainer: Trainer) -> Replays:
    """What records and replays the trainer's micro-steps."""
    updater, stepper = trainer.updater, trainer.stepper

    def work(given: Given, upstream: Tensor) -> tuple[Tensor, Sequence[Tensor | None]]:
        try:
            losses = stepper.computed(given)
            return _rows(losses), torch.autograd.grad(losses.trained, updater.trained(), upstream, allow_unused=True)
        finally:
            updater.network.copies.forget()

    def why_not() -> str | None:
        away = trainer.choice is not None and trainer.choice.activations == MAIN_MEMORY
        return "keeps in main memory what backward needs" if away else order.unrecordable()

    def say(text: str, is_warning: bool) -> None:
        trainer.emit(Message(level="warning" if is_warning else "info", topic="compile", step=trainer.step, text=text))

    return Replays(work, updater.network.draws, lambda: list(updater.trained()), order.denoiser.device, say=say, why_not=why_not)


def _rows(losses: Losses) -> Tensor:
    return torch.stack([losses.trained.detach(), losses.plain, losses.position])
