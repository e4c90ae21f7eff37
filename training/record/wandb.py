"""The run in Weights & Biases, for those who compare runs there.

W&B talks to a network, which may answer late or never: it is spoken to by a thread of its own, and the run waits for it a moment at its
end and nowhere else. Each start of a run is a run there; those of one folder share a group.
"""

from __future__ import annotations

import importlib
import inspect
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import Empty, Full, Queue
from typing import Any

from ..errors import Contained, MissingLibraryError, TrainingError
from ..events import Event, PreviewReady, RunEnded, RunStarted
from .numbers import numbers_of

PROJECT = "lora-canvas"
OFFLINE = "offline"
MOST, PATIENCE = 2000, 20.0
"""Records that wait at most, and the seconds that the end of a run waits for them."""
_NO_KEY = (
    "W&B has no key, so nothing is sent. Run 'wandb login' once in ComfyUI's Python, or set the environment variable WANDB_API_KEY before "
    "ComfyUI starts; or set wandb on Train LoRA to offline."
)


def _library() -> Any:
    """wandb, imported only when somebody wants this log."""
    try:
        return importlib.import_module("wandb")
    except ImportError as missing:
        raise MissingLibraryError("wandb", "The W&B log of Train LoRA") from missing


def _has_key(wandb: Any) -> bool:
    """Without asking for one in the terminal, where nobody may sit."""
    if "prompt" in inspect.signature(wandb.login).parameters:
        return bool(wandb.login(prompt=False))
    return bool(wandb.api.api_key)  # before 0.31


class WandbLog:
    """`mode` is 'online' or 'offline': then the files in `<run folder>/wandb` are sent with `wandb sync`. What goes wrong is raised at
    the next event, once; after it nothing more is sent."""

    name = "the W&B log"
    critical = False

    def __init__(self, folder: Path, mode: str, library: Callable[[], Any] = _library, patience: float = PATIENCE):
        self._folder, self._mode, self._library, self._patience = folder, mode, library, patience
        self._waiting: Queue[tuple[Mapping[str, Any], Any]] | None = None
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()
        self._error: Exception | None = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._start(event)
        elif self._thread is not None:
            self._tell(event)
        error, self._error = self._error, None
        if error is not None:
            self._thread = None
            raise error

    def _start(self, event: RunStarted) -> None:
        wandb = self._library()
        self._waiting = Queue(MOST)
        self._ended.clear()
        self._thread = threading.Thread(target=self._work, args=(wandb, event, self._waiting), name="W&B log", daemon=True)
        self._thread.start()

    def _tell(self, event: Event) -> None:
        assert self._waiting is not None and self._thread is not None
        numbers = numbers_of(event)
        pictures = ([picture.detach().cpu() for picture in event.pictures()], event.prompts) if isinstance(event, PreviewReady) else None
        if numbers or pictures:
            try:
                self._waiting.put_nowait(({**numbers, "step": getattr(event, "step", 0)}, pictures))
            except Full:
                self._error = TrainingError(f"{MOST} records wait to be sent and W&B takes none; the rest is left out")
        if isinstance(event, RunEnded):
            self._ended.set()
            self._thread.join(self._patience)
            if self._thread.is_alive():
                self._error = TrainingError("W&B did not answer in time; what is left is sent while ComfyUI runs")
            self._thread = None

    def _work(self, wandb: Any, event: RunStarted, waiting: Queue[tuple[Mapping[str, Any], Any]]) -> None:
        with Contained() as trouble:
            if self._mode != OFFLINE and not _has_key(wandb):
                raise TrainingError(_NO_KEY)
            run = wandb.init(
                project=PROJECT,
                group=event.run_name,
                name=event.run_name,
                config=dict(event.settings),
                mode=self._mode,
                dir=str(self._folder),
                settings=wandb.Settings(silent=True, console="off"),
            )
            run.define_metric("*", step_metric="step")  # a resumed run makes steps again, which W&B's own counter does not take
            self._send_all(wandb, run, waiting)
            run.finish()
        self._error = trouble.error or self._error

    def _send_all(self, wandb: Any, run: Any, waiting: Queue[tuple[Mapping[str, Any], Any]]) -> None:
        while not (self._ended.is_set() and waiting.empty()):
            try:
                numbers, pictures = waiting.get(timeout=0.2)
            except Empty:
                continue
            samples = [wandb.Image(image.clamp(0, 1).numpy(), caption=prompt) for image, prompt in zip(*pictures or ((), ()))]
            run.log({**numbers, **({"samples": samples} if samples else {})})
