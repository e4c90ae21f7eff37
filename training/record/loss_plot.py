"""loss.png: the loss curve of a run, collected while it goes on."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from PIL import Image

from ..drawing.chart import loss_plot, to_tensor
from ..events import Event, RunEnded, RunStarted, StepDone, Validated
from .history import read_records
from .samples import write_picture

PLOT_NAME = "loss.png"


class LossPlot:
    """Collects the curve; writes loss.png when the run ends, if it has taken a step. What a resumed run did before stands in its
    log, and is read when the curve is drawn.

    `image()` is the plot as the node's IMAGE output.
    """

    name = PLOT_NAME
    critical = False

    def __init__(self, folder: Path):
        self._path = folder / PLOT_NAME
        self._steps: list[int] = []
        self._losses: list[float] = []
        self._validation: list[tuple[int, float]] = []
        self._earlier = 0
        self._has_stepped = False

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._earlier = event.start_step
        elif isinstance(event, StepDone):
            self._has_stepped = True
            self._steps.append(event.step)
            self._losses.append(event.loss)
        elif isinstance(event, Validated):
            self._validation.append((event.step, event.loss))
        elif isinstance(event, RunEnded) and (self._has_stepped or event.reason == "finished" and not self._path.exists()):
            write_picture(self._path, self.picture(), format="PNG")

    def picture(self) -> Image.Image:
        steps, losses, validation = self._earlier_curve()
        return loss_plot(steps + self._steps, losses + self._losses, validation + self._validation)

    def _earlier_curve(self) -> tuple[list[int], list[float], list[tuple[int, float]]]:
        points: dict[str, list[tuple[int, float]]] = {"step": [], "validated": []}
        for entry in read_records(self._path.parent) if self._earlier else []:
            if entry["event"] in points and entry["step"] <= self._earlier:
                points[entry["event"]].append((entry["step"], math.nan if entry["loss"] is None else entry["loss"]))
        return [step for step, _ in points["step"]], [loss for _, loss in points["step"]], points["validated"]

    def image(self) -> torch.Tensor:
        return to_tensor(self.picture())
