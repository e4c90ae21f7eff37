"""Curves on axes as a picture; and the loss curve: every raw value, a smoothed line, the validation points, nothing left
out unsaid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

SCALE = 2  # drawn twice as large and reduced: PIL's lines have no antialiasing
TITLE, BLUE, ORANGE = "#e4e4e9", "#6cb6ff", "#f2a65a"
_BACKGROUND, _GRID, _TEXT, _RAW = "#1b1b1f", "#2e2e34", "#9a9aa5", "#3d5a80"


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
class Frame:
    """Maps data to pixels of the plot area; `box` is (left, top, right, bottom)."""

    box: tuple[int, int, int, int]
    x_range: tuple[float, float]
    y_range: tuple[float, float]

    def points(self, xs: np.ndarray, ys: np.ndarray) -> list[tuple[float, float]]:
        left, top, right, bottom = self.box
        (x0, x1), (y0, y1) = self.x_range, self.y_range
        keep = np.isfinite(ys)
        px = left + (xs[keep] - x0) / ((x1 - x0) or 1.0) * (right - left)
        py = bottom - (ys[keep] - y0) / ((y1 - y0) or 1.0) * (bottom - top)
        return list(zip(px.tolist(), py.clip(top, bottom).tolist()))


class Chart:
    """A picture with axes, to draw curves on. `left` is the room for the numbers at the y axis, in pixels; `y_format` is
    how they are written."""

    def __init__(self, size: tuple[int, int], x_range: tuple[float, float], y_range: tuple[float, float],
                 *, left: int = 70, y_format: str = "g"):
        width, height = size[0] * SCALE, size[1] * SCALE
        self._size = size
        self._image = Image.new("RGB", (width, height), _BACKGROUND)
        self._draw = ImageDraw.Draw(self._image)
        self._font = ImageFont.load_default(13 * SCALE)
        box = (left * SCALE, 44 * SCALE, width - 24 * SCALE, height - 36 * SCALE)
        self.frame = Frame(box, x_range, y_range)
        self._axes(y_format)

    def _axes(self, y_format: str) -> None:
        left, _, right, bottom = self.frame.box
        for value in ticks(*self.frame.y_range):
            [(_, y)] = self.frame.points(np.array([self.frame.x_range[0]]), np.array([value]))
            self._draw.line((left, y, right, y), fill=_GRID, width=SCALE)
            self._draw.text((left - 8 * SCALE, y), f"{value:{y_format}}", fill=_TEXT, font=self._font, anchor="rm")
        for value in ticks(*self.frame.x_range, about=8):
            [(x, _)] = self.frame.points(np.array([value]), np.array([self.frame.y_range[0]]))
            self._draw.text((x, bottom + 8 * SCALE), f"{value:g}", fill=_TEXT, font=self._font, anchor="mt")

    def line(self, xs: np.ndarray, ys: np.ndarray, colour: str, thick: int = 3) -> None:
        """A curve through the points; those that are not finite are passed over."""
        points = thinned(self.frame.points(xs, ys))
        if len(points) > 1:
            self._draw.line(points, fill=colour, width=thick * SCALE, joint="curve")

    def dots(self, xs: np.ndarray, ys: np.ndarray, colour: str) -> None:
        for x, y in self.frame.points(xs, ys):
            radius = 4 * SCALE
            self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)

    def legend(self, entries: Sequence[tuple[str, str]]) -> None:
        """(label, colour) of each curve, above the plot from the left."""
        x, y = self.frame.box[0], 22 * SCALE
        for label, colour in entries:
            self._draw.line((x, y, x + 18 * SCALE, y), fill=colour, width=3 * SCALE)
            self._draw.text((x + 24 * SCALE, y), label, fill=TITLE, font=self._font, anchor="lm")
            x += 48 * SCALE + int(self._draw.textlength(label, font=self._font))

    def note(self, text: str) -> None:
        """Words above the plot at the right."""
        self._draw.text((self.frame.box[2], 22 * SCALE), text, fill=TITLE, font=self._font, anchor="rm")

    def picture(self) -> Image.Image:
        return self._image.resize(self._size, Image.Resampling.LANCZOS)


def thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """What is seen of a curve from left to right: of each column of pixels the first and the last point, the lowest and the highest."""
    columns = np.array([int(x) for x, _ in points])
    if len(points) <= 4 * len(np.unique(columns)):
        return points
    bounds = [0, *(np.flatnonzero(np.diff(columns)) + 1).tolist(), len(points)]
    ys = np.array([y for _, y in points])
    kept = [
        index for first, end in zip(bounds, bounds[1:], strict=False)
        for index in sorted({first, first + int(ys[first:end].argmin()), first + int(ys[first:end].argmax()), end - 1})
    ]
    return [points[index] for index in kept]


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


def loss_plot(steps: Sequence[int], losses: Sequence[float], validation: Sequence[tuple[int, float]] = (),
              *, size: tuple[int, int] = (1024, 512)) -> Image.Image:
    """Draw the curve. `validation` holds (step, loss) pairs; `size` is (width, height) in pixels."""
    xs, raw = np.asarray(steps, dtype=float), np.asarray(losses, dtype=float)
    held = np.asarray(validation, dtype=float).reshape(-1, 2)
    line = smooth(losses)
    every_x = np.concatenate([xs, held[:, 0]])
    x_range = (float(every_x.min()), float(every_x.max())) if every_x.size else (0.0, 1.0)
    chart = Chart(size, x_range, _y_range(raw, np.concatenate([line, held[:, 1]])))
    chart.line(xs, raw, _RAW, 1)
    chart.line(xs, line, BLUE)
    chart.line(held[:, 0], held[:, 1], ORANGE, 2)
    chart.dots(held[:, 0], held[:, 1], ORANGE)
    above = int((raw > chart.frame.y_range[1]).sum())
    entries = [(f"loss of each step ({above} of {len(raw)} above the top)" if above else "loss of each step", _RAW),
               ("smoothed", BLUE), *([("validation", ORANGE)] if len(held) else [])]
    chart.legend(entries)
    return chart.picture()


def to_tensor(image: Image.Image) -> torch.Tensor:
    """The picture as ComfyUI's IMAGE: (1, H, W, 3) floats in 0..1."""
    return torch.from_numpy(np.asarray(image, dtype=np.float32) / 255.0).unsqueeze(0)
