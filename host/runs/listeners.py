"""What listens to a run inside ComfyUI beside the panel: its files, ComfyUI's log, and what the node gives on."""

from __future__ import annotations

import logging
from pathlib import Path

import torch

from ...training.events import Event, Listener, Message, PreviewReady, RunEnded, StepDone
from ...training.record.held import FromFirstStep
from ...training.record.log import JsonlLog
from ...training.record.reserve import Reserve
from ...training.record.run_json import RunJson, read_run
from ...training.record.samples import SampleFiles
from ...training.record.tensorboard import TensorBoardLog
from ...training.record.wandb import WandbLog
from ...training.run.control import CANCELLED, PAUSED
from ...training.specs import OFF
from ..wiring import Wiring

log = logging.getLogger(__name__)
_LEVELS = {"warning": logging.WARNING, "error": logging.ERROR}


def file_listeners(folder: Path, wiring: Wiring) -> list[Listener]:
    """Samples, at once; from the first step on some space for a full disk, log.jsonl and run.json, and TensorBoard and W&B when asked
    for.
    Samples carry the graph, as ComfyUI's own pictures do."""
    graph = {"workflow": wiring.workflow, "prompt": wiring.prompt}
    record: list[Listener] = [Reserve(folder), JsonlLog(folder), RunJson(folder, wiring.workflow, wiring.prompt, wiring.shown_as)]
    if wiring.recipe.run.tensorboard:
        record.append(TensorBoardLog(folder))
    if wiring.recipe.run.wandb != OFF:
        record.append(WandbLog(folder, wiring.recipe.run.wandb))
    is_finished = (read_run(folder) or {}).get("status") == "finished"
    return [SampleFiles(folder, {name: value for name, value in graph.items() if value}),
            *(FromFirstStep(listener, is_finished) for listener in record)]


class Kept:
    """The losses of this run and the last pictures, (N, H, W, 3), for the node's outputs."""

    name = "the node's outputs"
    critical = False

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.samples: torch.Tensor | None = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, StepDone):
            self.losses.append(event.loss)
        elif isinstance(event, PreviewReady):
            self.samples = event.images


class ComfyLog:
    """Messages, and a summary at the end, in ComfyUI's own log."""

    name = "ComfyUI's log"
    critical = False

    def __init__(self) -> None:
        self._steps = self._items = self._peak = 0
        self._seconds = 0.0

    def __call__(self, event: Event) -> None:
        if isinstance(event, Message):
            log.log(_LEVELS.get(event.level, logging.INFO), "[LoRA Canvas] %s", event.text)
        elif isinstance(event, StepDone):
            self._steps += 1
            self._items += event.items
            self._seconds += event.seconds
            self._peak = max(self._peak, event.peak_memory_bytes or 0)
        elif isinstance(event, RunEnded) and self._steps:
            log.info(
                "[LoRA Canvas] %s after %d of %d steps: %.2f s a step, %.2f images a second%s. %s",
                event.reason, event.step, event.total_steps, self._seconds / self._steps, self._items / self._seconds,
                f", at most {self._peak / 2**30:.1f} GiB in use" if self._peak else "", _where(event),
            )


def _where(ended: RunEnded) -> str:
    if ended.lora_path:
        unpublished = ended.reason in (PAUSED, CANCELLED)
        shown = f"{ended.lora_path.parent.name}/{ended.lora_path.name}"
        note = f", in the list of LoraLoader as {shown}; no node behind Train LoRA was run" if unpublished else ""
        return f"The LoRA is in {ended.lora_path}{note}"
    return f"Not on disk: {'; '.join(ended.missing)}." if ended.missing else "Nothing new was learned."
