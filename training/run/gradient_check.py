"""Whether the gradient is that of the loss: asked once, at the start of a run on a kind of model that nobody has seen train.

The loss is taken a step along its gradient, up and down; by how much it changes is what the gradient promised (a central
difference, error of order step^2). Both steps run without autograd, so kernels without a backward, in-place writes and kept
graphs do nothing to them. The model computes in fp32 meanwhile: in bf16 a step that is small enough drowns in rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import ModelError
from ..events import Emitter, Message
from ..network.attach import attached
from ..network.network import Network
from ..order import Trial
from .trainer import Trainer

CHANGE = 0.003
"""By how much the loss should change, relative to it."""
ALLOWED = 0.02
"""How far from the promise that may be. Right models are within 0.0014, see docs/experiments.md."""


@dataclass(frozen=True)
class Slope:
    """How the loss changes along a direction: as the gradient promises, and as it does."""

    promised: float
    found: float

    @property
    def error(self) -> float:
        """Relative to the larger of the two; 0 where both are 0."""
        largest = max(abs(self.promised), abs(self.found))
        return abs(self.promised - self.found) / largest if largest else 0.0


def require_true_gradient(trial: Trial, network: Network, trainer: Trainer, emit: Emitter) -> None:
    """On the run's first picture, before its first step. Raises ModelError where the gradient is not that of the loss."""
    draws = trainer.plan.group(trainer.step)[0][:1]
    parameters = [parameter for _, parameter in network.named_parameters() if parameter.requires_grad]
    with trial.training(), attached(network, list(trial.parts), checkpointing=True):
        slope = slope_along_gradient(lambda: trainer.stepper.losses(draws).mean(), parameters)
    found = (f"a step along it should change the loss by {slope.promised:.3g} a unit and changes it by {slope.found:.3g}, "
             f"{slope.error:.1%} off")
    if slope.error > ALLOWED:
        raise ModelError("Train LoRA", [
            f"the gradient of this model ({trial.model}) is wrong: {found}. Some part of its forward does not pass gradients on as they "
            "are, so a LoRA would learn something else. Nothing was trained. Please report the name of the model to the pack's "
            "developers; until then train one of the models that README lists."
        ])
    emit(Message(level="info", topic="gradient", text=(
        f"{trial.model} is new to LoRA Canvas, so its gradient was tried first, and it is right: {found}.")))


def slope_along_gradient(loss: Callable[[], Tensor], parameters: Sequence[Tensor], change: float = CHANGE) -> Slope:
    """Of the scalar `loss()`, which must be the same function every time, along a direction in which every tensor's gradient
    counts the same, whatever its size, so that one wrong layer shows. `parameters` are as before afterwards, bit by bit."""
    value = loss()
    gradients = torch.autograd.grad(value, parameters, allow_unused=True)
    norms = [0.0 if gradient is None else float(gradient.norm()) for gradient in gradients]
    moved = [
        (parameter, gradient / norm)
        for parameter, gradient, norm in zip(parameters, gradients, norms, strict=True) if gradient is not None and norm
    ]
    promised = sum(norms)
    if not promised:
        return Slope(0.0, 0.0)
    step = change * abs(float(value.detach())) / promised
    up, down = (_moved_loss(loss, moved, way * step) for way in (1, -1))
    return Slope(promised, (up - down) / (2 * step))


@torch.no_grad()
def _moved_loss(loss: Callable[[], Tensor], moved: Sequence[tuple[Tensor, Tensor]], step: float) -> float:
    before = [parameter.clone() for parameter, _ in moved]
    try:
        for parameter, direction in moved:
            parameter.add_(direction, alpha=step)
        return float(loss())
    finally:
        for (parameter, _), values in zip(moved, before, strict=True):
            parameter.copy_(values)
