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
    """Collects the curve (a resumed run's from its log on); writes loss.png when the run ends, if it has taken a step.

    `image()` is the plot as the node's IMAGE output.
    """

    name = PLOT_NAME
    critical = False

    def __init__(self, folder: Path):
        self._path = folder / PLOT_NAME
        self._steps: list[int] = []
        self._losses: list[float] = []
        self._validation: list[tuple[int, float]] = []
        self._has_stepped = False

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunStarted) and event.start_step:
            self._read_earlier(event.start_step)
        elif isinstance(event, StepDone):
            self._has_stepped = True
            self._steps.append(event.step)
            self._losses.append(event.loss)
        elif isinstance(event, Validated):
            self._validation.append((event.step, event.loss))
        elif isinstance(event, RunEnded) and (self._has_stepped or event.reason == "finished" and not self._path.exists()):
            write_picture(self._path, self.picture(), format="PNG")

    def _read_earlier(self, start_step: int) -> None:
        for entry in read_records(self._path.parent):
            if entry["event"] in ("step", "validated") and entry["step"] <= start_step:
                loss = math.nan if entry["loss"] is None else entry["loss"]
                if entry["event"] == "validated":
                    self._validation.append((entry["step"], loss))
                else:
                    self._steps.append(entry["step"])
                    self._losses.append(loss)

    def picture(self) -> Image.Image:
        return loss_plot(self._steps, self._losses, self._validation)

    def image(self) -> torch.Tensor:
        return to_tensor(self.picture())
