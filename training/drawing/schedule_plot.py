"""The learning rates of a run as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..optim.schedules import lr_multiplier, warmup_steps
from ..optim.spec import OptimizerSpec
from ..parts import DIFFUSION_MODEL
from .chart import ticks, to_tensor

if TYPE_CHECKING:
    import torch

_SCALE = 2  # drawn twice as large and reduced: PIL's lines have no antialiasing
_BACKGROUND, _GRID, _TEXT, _TITLE = "#1b1b1f", "#2e2e34", "#9a9aa5", "#e4e4e9"
_COLOURS = ("#6cb6ff", "#f2a65a")
_MARGINS = (90, 44, 24, 36)  # left, top, right, bottom


def schedule_preview(spec: OptimizerSpec, total_steps: int, size: tuple[int, int] = (1024, 512)) -> "torch.Tensor":
    """ComfyUI's IMAGE (1, H, W, 3) in 0..1 of every part's learning rate over `total_steps`; `size` is (width, height)."""
    return to_tensor(schedule_picture(spec, total_steps, size))


def rate_curves(spec: OptimizerSpec, total_steps: int) -> dict[str, np.ndarray]:
    """Label -> the learning rate before each of `total_steps` updates; text encoders stop where the spec says."""
    multiplier = lr_multiplier(spec, total_steps)
    values = np.array([multiplier(step) for step in range(total_steps)])
    curves = {"diffusion model": values * spec.rate_of(DIFFUSION_MODEL)}
    if spec.text_encoder_lr:
        stopped = np.arange(total_steps) >= spec.text_encoders_stop_at(total_steps)
        curves["text encoders"] = np.where(stopped, 0.0, values * spec.rate_of("text_encoder_1"))
    return curves


def schedule_picture(spec: OptimizerSpec, total_steps: int, size: tuple[int, int]) -> Image.Image:
    width, height = size[0] * _SCALE, size[1] * _SCALE
    left, top, right, bottom = (margin * _SCALE for margin in _MARGINS)
    box = (left, top, width - right, height - bottom)
    image = Image.new("RGB", (width, height), _BACKGROUND)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(13 * _SCALE)
    curves = rate_curves(spec, total_steps)
    highest = max((float(np.abs(curve).max()) for curve in curves.values()), default=0.0) or 1.0
    lowest = min(0.0, *(float(curve.min()) for curve in curves.values())) * 1.08

    def place(step: float, rate: float) -> tuple[float, float]:
        x = box[0] + step / max(total_steps - 1, 1) * (box[2] - box[0])
        return x, box[3] - (rate - lowest) / (highest * 1.08 - lowest) * (box[3] - box[1])

    _draw_axes(draw, font, box, place, (lowest, highest * 1.08), total_steps)
    for (label, curve), colour, row in zip(curves.items(), _COLOURS, range(2)):
        points = [place(step, float(rate)) for step, rate in enumerate(curve)]
        draw.line(points if len(points) > 1 else points * 2, fill=colour, width=3 * _SCALE, joint="curve")
        draw.text((left + row * 200 * _SCALE, 22 * _SCALE), label, fill=colour, font=font, anchor="lm")
    note = f"{spec.scheduler}, {warmup_steps(spec, total_steps)} steps of warm-up, {total_steps} steps"
    draw.text((box[2], 22 * _SCALE), note, fill=_TITLE, font=font, anchor="rm")
    return image.resize(size, Image.Resampling.LANCZOS)


def _draw_axes(draw, font, box, place, rates: tuple[float, float], total_steps: int) -> None:
    for rate in ticks(*rates):
        y = place(0, rate)[1]
        draw.line((box[0], y, box[2], y), fill=_GRID, width=_SCALE)
        draw.text((box[0] - 8 * _SCALE, y), f"{rate:.2g}", fill=_TEXT, font=font, anchor="rm")
    for step in ticks(0, total_steps, about=8):
        x = place(step, 0)[0]
        if x <= box[2]:
            draw.text((x, box[3] + 8 * _SCALE), f"{step:g}", fill=_TEXT, font=font, anchor="mt")
