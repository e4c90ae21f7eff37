"""The learning rates of a run as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ..optim.spec import OptimizerSpec
from ..parts import DIFFUSION_MODEL
from .chart import BLUE, ORANGE, Chart, to_tensor

if TYPE_CHECKING:
    import torch

_COLOURS = (BLUE, ORANGE, "#7bd88f", "#d58cf0", "#e8d66b")


def schedule_preview(spec: OptimizerSpec, total_steps: int, size: tuple[int, int] = (1024, 512)) -> "torch.Tensor":
    """ComfyUI's IMAGE (1, H, W, 3) in 0..1 of every part's learning rate over `total_steps`; `size` is (width, height)."""
    return to_tensor(schedule_picture(spec, total_steps, size))


def rate_curves(spec: OptimizerSpec, total_steps: int) -> dict[str, np.ndarray]:
    """Label -> the learning rate before each of `total_steps` updates; text encoders stop where the spec says."""
    multiplier = spec.schedule.multiplier(total_steps)
    values = np.array([multiplier(step) for step in range(total_steps)])
    curves = {"diffusion model": values * spec.rate_of(DIFFUSION_MODEL)}
    stopped = np.arange(total_steps) >= spec.text_encoders_stop_at(total_steps)
    for label, part in [("text encoders", ""), *((name, name) for name in spec.text_encoder_rates)]:
        if part or spec.text_encoder_lr:
            curves[label] = np.where(stopped, 0.0, values * spec.rate_of(part))
    return curves


def schedule_picture(spec: OptimizerSpec, total_steps: int, size: tuple[int, int]) -> Image.Image:
    curves = rate_curves(spec, total_steps)
    highest = max(float(np.abs(curve).max()) for curve in curves.values()) or 1.0
    lowest = min(0.0, *(float(curve.min()) for curve in curves.values()))
    chart = Chart(size, (0, max(total_steps - 1, 1)), (1.08 * lowest, 1.08 * highest), left=90, y_format=".2g")
    for curve, colour in zip(curves.values(), _COLOURS):
        chart.line(np.arange(total_steps), curve, colour)
    chart.legend(list(zip(curves, _COLOURS)))
    chart.note(f"{spec.schedule.curve.name}, {spec.schedule.warmup(total_steps)} steps of warm-up, {total_steps} steps")
    return chart.picture()
