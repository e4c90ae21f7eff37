"""A finished run as the outputs of the Train LoRA node, in the order of its sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from comfy_api.latest import io

if TYPE_CHECKING:
    from .train import Trained


def trained_outputs(trained: "Trained") -> io.NodeOutput:
    samples = trained.samples if trained.samples is not None else torch.zeros(1, 64, 64, 3)
    return io.NodeOutput(
        trained.model, trained.clip, trained.lora, {"loss": plottable(trained.losses)},
        trained.loss_plot, samples, str(trained.folder),
        ui={"lora_canvas": [{"run": trained.folder.name, "reason": trained.result.reason, "step": trained.result.step}]},
    )


def plottable(losses: list[float]) -> list[float]:
    """At least two values that differ: ComfyUI's own loss graph divides by their range."""
    values = list(losses) or [0.0]
    if max(values) > min(values):
        return values
    return [*values, values[-1] + 1e-6]
