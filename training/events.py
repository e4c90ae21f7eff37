"""What a run tells the world. The loop emits these; listeners (files, panel, logs) react.

An event is a plain record: nothing in it can reach back into the run.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RunStarted:
    """Everything is checked and cached; the first step follows.

    `start_step` is 0 for a new run, the number of finished steps for a resumed one.
    `settings` is JSON-ready: all that shapes the run, for run.json and for comparing runs.
    """

    run_name: str
    folder: Path
    start_step: int
    total_steps: int
    steps_per_epoch: float
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Work before or beside the steps: 'latents', 'references', 'captions', 'preview', 'validation'."""

    phase: str
    done: int
    total: int


@dataclass(frozen=True, kw_only=True)
class StepDone:
    """One optimizer update. `step` counts from 1; `loss` is the mean over the `items` seen.

    `learning_rates` maps group name ('diffusion_model', 'text_encoder') to its rate.
    `seconds` is the wall time of this step; memory is in bytes (None where unknown). With scale_weight_norms,
    `mean_norm` is the mean norm of the changes and `scaled_modules` how many were shrunk.
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
    """Sampled pictures, (N, H, W, 3) floats in 0..1, one a prompt."""

    step: int
    images: "torch.Tensor"
    prompts: tuple[str, ...]
    seeds: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Message:
    """A line worth reading. `level` is 'info', 'warning' or 'error'; `topic` groups repeats."""

    level: str
    topic: str
    text: str
    step: int | None = None


@dataclass(frozen=True, kw_only=True)
class RunEnded:
    """The last event. `reason` is 'finished', 'stopped', 'paused', 'cancelled' or 'failed'."""

    reason: str
    step: int
    total_steps: int
    lora_path: Path | None
    seconds: float
    error: str | None = None


Event = RunStarted | Progress | StepDone | Validated | Saved | PreviewReady | Message | RunEnded


class Listener(Protocol):
    """`critical` listeners stop the run when they fail (a checkpoint that cannot be written must
    not pass in silence); the others are logged once and dropped (a closed panel must not cost a run)."""

    critical: bool

    def __call__(self, event: Event) -> None: ...


class Emitter:
    """Hands each event to every listener, in order."""

    def __init__(self, listeners: Iterable[Listener]):
        self._listeners = list(listeners)

    def __call__(self, event: Event) -> None:
        for listener in list(self._listeners):
            if listener.critical:
                listener(event)
                continue
            try:
                listener(event)
            except Exception:
                log.exception("the listener %r failed and is dropped", listener)
                self._listeners.remove(listener)
