"""The run as TensorBoard scalars and pictures, for those who compare runs there."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import MissingLibraryError
from ..events import Event, PreviewReady, RunEnded, RunStarted, StepDone, Validated
from .numbers import numbers_of


def _writer(folder: Path, purge_step: int | None) -> Any:
    """torch's SummaryWriter, imported only when somebody wants this log."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as missing:
        raise MissingLibraryError("tensorboard", "The TensorBoard log of Train LoRA") from missing
    return SummaryWriter(log_dir=str(folder), purge_step=purge_step)


class TensorBoardLog:
    """Writes event files to `<run folder>/tensorboard`; a resumed run hides what it will do again. A writer that failed takes no
    more, so the next event opens another file."""

    name = "the TensorBoard log"
    critical = False

    def __init__(self, folder: Path, make_writer: Callable[[Path, int | None], Any] = _writer):
        self._folder = folder / "tensorboard"
        self._make_writer = make_writer
        self._log: Any = None
        self._purge_step: int | None = None
        self._wanted = False

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._wanted = True
            self._purge_step = event.start_step + 1 if event.start_step else None
        if not self._wanted:
            return
        try:
            self._log = self._log or self._make_writer(self._folder, self._purge_step)
            self._purge_step = None
            self._add(event)
        except MissingLibraryError:
            self._wanted = False
            raise
        except Exception:
            self._drop()
            raise

    def _drop(self) -> None:
        log, self._log = self._log, None
        with suppress(Exception):
            log.close()

    def _add(self, event: Event) -> None:
        if isinstance(event, StepDone | Validated):
            for name, number in numbers_of(event).items():
                self._log.add_scalar(name, number, event.step)
        if isinstance(event, PreviewReady):
            self._log.add_images("samples", event.images.clamp(0, 1), event.step, dataformats="NHWC")
        elif isinstance(event, RunEnded):
            self._wanted = False
            self._log.close()
            self._log = None
