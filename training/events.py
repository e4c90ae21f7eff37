"""What a run tells the world. The loop emits these; listeners (files, panel, logs) react.

An event is a plain record: nothing in it can reach back into the run.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from .errors import Contained, TrainingError

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RunStarted:
    """Everything is checked and cached; the first step follows.

    `start_step` is 0 for a new run, the number of finished steps for a resumed one.
    `settings` is JSON-ready: all that shapes the run, for run.json and for comparing runs. `seconds` is what the work before took;
    `preview_every` and `validate_every` are the steps from one to the next, 0 for none: what is still to come takes time too.
    """

    run_name: str
    folder: Path
    start_step: int
    total_steps: int
    steps_per_epoch: float
    settings: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    preview_every: int = 0
    validate_every: int = 0


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Work before or beside the steps: 'latents', 'references', 'captions', 'preview', 'validation', 'reading back'."""

    phase: str
    done: int
    total: int


@dataclass(frozen=True, kw_only=True)
class StepDone:
    """One optimizer update. `step` counts from 1; `loss` is the mean over the `items` seen.

    `learning_rates` maps group name ('diffusion_model', 'text_encoder') to its rate.
    `seconds` is the wall time of this step; memory is in bytes (None where unknown). With scale_weight_norms,
    `mean_norm` is the mean norm of the changes that the step before left and `scaled_modules` how many it shrunk.
    """

    step: int
    total_steps: int
    epoch: float
    loss: float
    learning_rates: Mapping[str, float]
    grad_norm: float
    items: int
    seconds: float
    memory_bytes: int | None = None
    peak_memory_bytes: int | None = None
    mean_norm: float | None = None
    scaled_modules: int | None = None


@dataclass(frozen=True, kw_only=True)
class Validated:
    """Loss on held-out items with fixed noise; `bands` maps a sigma band's label to its mean loss.

    `relative` is loss / loss of the untouched base model on the same items and noise.
    """

    step: int
    loss: float
    relative: float
    bands: Mapping[str, float]
    is_best: bool
    overfitting: str | None = None
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Saved:
    """A complete file is on disk. `kind` is 'lora', 'checkpoint', 'best' or 'state'."""

    step: int
    path: Path
    kind: str


@dataclass(frozen=True, kw_only=True)
class PreviewReady:
    """Sampled pictures, (N, H, W, 3) floats in 0..1, one a prompt. Where they differ in size the smaller ones lie at the top left, on
    black, and `sizes` are (width, height) of each."""

    step: int
    images: "torch.Tensor"
    prompts: tuple[str, ...]
    seeds: tuple[int, ...]
    seconds: float = 0.0
    sizes: tuple[tuple[int, int], ...] = ()

    def pictures(self) -> "list[torch.Tensor]":
        """Each in its own size."""
        return [image[:height, :width] for image, (width, height) in zip(self.images, self.sizes)] if self.sizes else list(self.images)


@dataclass(frozen=True, kw_only=True)
class Message:
    """A line worth reading. `level` is 'info', 'warning' or 'error'; `topic` groups repeats."""

    level: str
    topic: str
    text: str
    step: int | None = None


@dataclass(frozen=True, kw_only=True)
class RunEnded:
    """The last event. `reason` is 'finished', 'stopped', 'paused', 'cancelled' or 'failed', or 'stopped: ' and why the disk
    refused what was to be written ('stopped: disk full'). `missing` says what is not on disk then."""

    reason: str
    step: int
    total_steps: int
    lora_path: Path | None
    seconds: float
    error: str | None = None
    missing: tuple[str, ...] = ()


Event = RunStarted | Progress | StepDone | Validated | Saved | PreviewReady | Message | RunEnded


class Listener(Protocol):
    """`name` is what the user knows it by ('run.json', 'the panel'). A failure of a listener is a warning and the run goes on;
    that of a `critical` one ends the run."""

    name: str
    critical: bool

    def __call__(self, event: Event) -> None: ...


class Emitter:
    """Hands each event to every listener, in order. One that fails is told the next event all the same; each of its troubles is
    said once."""

    def __init__(self, listeners: Iterable[Listener]):
        self._listeners = list(listeners)
        self._said: set[tuple[str, str]] = set()

    def __call__(self, event: Event) -> None:
        for message in self._tell(event):
            self._tell(message)

    def _tell(self, event: Event) -> list[Message]:
        """What is new among the troubles of telling it."""
        troubles = []
        for listener in self._listeners:
            if listener.critical:
                listener(event)
                continue
            with Contained() as trouble:
                listener(event)
            if trouble.error is not None and (listener.name, told := cause_of(trouble.error)) not in self._said:
                self._said.add((listener.name, told))
                troubles.append(side_matter_failed(listener.name, trouble.error, getattr(event, "step", None)))
        return troubles


def cause_of(error: BaseException) -> str:
    """What the error says. What is not meant for the user's eyes is named by its type too."""
    text = str(error).strip()
    return text if text and isinstance(error, TrainingError) else f"{type(error).__name__}: {text}".removesuffix(": ")


def side_matter_failed(name: str, error: Exception, step: int | None) -> Message:
    """The warning that takes the place of an error which must not end a run; the way there goes to the log of the program."""
    if not isinstance(error, TrainingError):
        log.warning("%s failed", name, exc_info=error)
    text = f"{name} failed: {cause_of(error).removesuffix('.')}. Training goes on, and the next one is tried again."
    return Message(level="warning", topic="side matter", step=step, text=text)
