"""The loss curve as a picture: every raw value, a smoothed line, the validation points. Nothing is left out unsaid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

_SCALE = 2  # drawn twice as large and reduced: PIL's lines have no antialiasing
_BACKGROUND, _GRID, _TEXT, _TITLE = "#1b1b1f", "#2e2e34", "#9a9aa5", "#e4e4e9"
_RAW, _SMOOTH, _VALIDATION = "#3d5a80", "#6cb6ff", "#f2a65a"


def smooth(values: Sequence[float], weight: float = 0.97) -> np.ndarray:
    """Exponential moving average without the usual pull towards 0 at the start (divided by its own weight sum)."""
    result = np.empty(len(values))
    total = mass = 0.0
    for index, value in enumerate(values):
        if math.isfinite(value):
            total = weight * total + (1 - weight) * value
            mass = weight * mass + (1 - weight)
        result[index] = total / mass if mass else math.nan
    return result


def ticks(low: float, high: float, about: int = 6) -> list[float]:
    """Round numbers from low to high: multiples of 1, 2 or 5 times a power of ten."""
    if not high > low:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first = math.ceil(low / step - 1e-9)
    return [round(index * step, 12) for index in range(first, math.floor(high / step + 1e-9) + 1)]


@dataclass(frozen=True)
class _Frame:
    """Maps data to pixels of the plot area."""

    box: tuple[int, int, int, int]
    x_range: tuple[float, float]
    y_range: tuple[float, float]

    def points(self, xs: np.ndarray, ys: np.ndarray) -> list[tuple[float, float]]:
        left, top, right, bottom = self.box
        (x0, x1), (y0, y1) = self.x_range, self.y_range
        keep = np.isfinite(ys)
        px = left + (xs[keep] - x0) / max(x1 - x0, 1e-12) * (right - left)
        py = bottom - (ys[keep] - y0) / max(y1 - y0, 1e-12) * (bottom - top)
        return list(zip(px.tolist(), py.clip(top, bottom).tolist()))


def _y_range(raw: np.ndarray, must_show: np.ndarray) -> tuple[float, float]:
    """From 0 or the lowest value to a top that single spikes do not set."""
    finite = raw[np.isfinite(raw)]
    if not finite.size:
        return 0.0, 1.0
    shown = np.concatenate([must_show[np.isfinite(must_show)], [np.percentile(finite, 99.5)]])
    low, high = float(min(finite.min(), shown.min())), float(shown.max())
    margin = 0.06 * (high - low) or 0.05 * abs(high) or 0.5
    low = low - margin
    return (max(low, 0.0) if finite.min() >= 0 else low), high + margin


def _draw_axes(draw: ImageDraw.ImageDraw, frame: _Frame, font: ImageFont.ImageFont) -> None:
    left, top, right, bottom = frame.box
    for value in ticks(*frame.y_range):
        [(_, y)] = frame.points(np.array([frame.x_range[0]]), np.array([value]))
        draw.line((left, y, right, y), fill=_GRID, width=_SCALE)
        draw.text((left - 8 * _SCALE, y), f"{value:g}", fill=_TEXT, font=font, anchor="rm")
    for value in ticks(*frame.x_range, about=8):
        [(x, _)] = frame.points(np.array([value]), np.array([frame.y_range[0]]))
        draw.text((x, bottom + 8 * _SCALE), f"{value:g}", fill=_TEXT, font=font, anchor="mt")


def _draw_legend(draw: ImageDraw.ImageDraw, frame: _Frame, entries: Sequence[tuple[str, str]], font) -> None:
    x, y = frame.box[0], 22 * _SCALE
    for label, colour in entries:
        draw.line((x, y, x + 18 * _SCALE, y), fill=colour, width=3 * _SCALE)
        draw.text((x + 24 * _SCALE, y), label, fill=_TITLE, font=font, anchor="lm")
        x += 48 * _SCALE + int(draw.textlength(label, font=font))


def loss_plot(steps: Sequence[int], losses: Sequence[float], validation: Sequence[tuple[int, float]] = (),
              *, size: tuple[int, int] = (1024, 512)) -> Image.Image:
    """Draw the curve. `validation` holds (step, loss) pairs; `size` is (width, height) in pixels."""
    width, height = size[0] * _SCALE, size[1] * _SCALE
    image = Image.new("RGB", (width, height), _BACKGROUND)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(13 * _SCALE)
    xs, raw = np.asarray(steps, dtype=float), np.asarray(losses, dtype=float)
    held = np.asarray(validation, dtype=float).reshape(-1, 2)
    line = smooth(losses)
    every_x = np.concatenate([xs, held[:, 0]])
    x_range = (float(every_x.min()), float(every_x.max())) if every_x.size else (0.0, 1.0)
    frame = _Frame((70 * _SCALE, 44 * _SCALE, width - 24 * _SCALE, height - 36 * _SCALE), x_range,
                   _y_range(raw, np.concatenate([line, held[:, 1]])))
    _draw_axes(draw, frame, font)
    for x, y, colour, thick in ((xs, raw, _RAW, 1), (xs, line, _SMOOTH, 3), (held[:, 0], held[:, 1], _VALIDATION, 2)):
        points = frame.points(x, y)
        if len(points) > 1:
            draw.line(points, fill=colour, width=thick * _SCALE, joint="curve")
    for x, y in frame.points(held[:, 0], held[:, 1]):
        radius = 4 * _SCALE
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=_VALIDATION)
    above = int((raw > frame.y_range[1]).sum())
    entries = [(f"loss of each step ({above} of {len(raw)} above the top)" if above else "loss of each step", _RAW),
               ("smoothed", _SMOOTH), *([("validation", _VALIDATION)] if len(held) else [])]
    _draw_legend(draw, frame, entries, font)
    return image.resize(size, Image.Resampling.LANCZOS)


def to_tensor(image: Image.Image) -> torch.Tensor:
    """The picture as ComfyUI's IMAGE: (1, H, W, 3) floats in 0..1."""
    return torch.from_numpy(np.asarray(image, dtype=np.float32) / 255.0).unsqueeze(0)
