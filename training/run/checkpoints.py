"""Complete LoRA files and a state to go on from, while the run goes on and whatever ends it."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from ..errors import DiskError, FileError
from ..events import Message, Progress, Saved
from ..lora_file.file import TrainedLora, read_metadata, write_lora
from ..network.build import Network
from ..network.files import to_tensors
from ..specs import RunSpec
from .control import SAVE
from .state import forget_last_good, keep_as_last_good, put_state, state_file
from .trainer import Companion, Trainer

SECONDS_BETWEEN_STATES = 300.0
CHECKPOINTS_FOLDER = "checkpoints"
_CHECKPOINT = re.compile(r"[^\x00-\x1f]+-\d{6,}\.safetensors")


def checkpoint_file(folder: Path, step: int) -> Path:
    """The LoRA of `step`, of the run in `folder`."""
    return folder / CHECKPOINTS_FOLDER / f"{folder.name}{_ending(step)}"


class _LeftOut(Exception):
    """Reading back was cut short."""


class Checkpoints(Companion):
    """Writes into `folder`: <name>.safetensors at the end, checkpoints/<name>-<step>.safetensors on the way,
    the state with each of them, and at least every five minutes.

    `metadata_at(step)` gives the file's metadata; `identity` goes into the state. `missing` says what the disk refused, `refusal` why,
    `elsewhere` where the LoRA lies instead.
    """

    def __init__(
        self,
        folder: Path,
        spec: RunSpec,
        metadata_at: Callable[[int], Mapping[str, str]],
        identity: Mapping[str, Any],
        read_back: Callable[[Path, Network, Callable[[int, int], None]], str],
        clock: Callable[[], float] = time.monotonic,
    ):
        self.folder = folder
        self._spec = spec
        self._metadata_at = metadata_at
        self.identity = identity
        self._read_back = read_back
        self._clock = clock
        self._last_file = self._last_state = clock()
        self._last_step = -1
        self._kept: list[Path] = []
        self._state_step: int | None = None
        self.missing: list[str] = []
        self.refusal: DiskError | None = None
        self.elsewhere: str | None = None

    @property
    def state_path(self) -> Path:
        return state_file(self.folder)

    @property
    def _end_path(self) -> Path:
        return self.folder / f"{self.folder.name}.safetensors"

    def after_step(self, trainer: Trainer) -> None:
        wished = trainer.control.take(SAVE)
        if trainer.step == 0 or (trainer.step == self._last_step and not wished):
            return
        if wished or self._due(trainer):
            self.save_checkpoint(trainer)
        elif self._clock() - self._last_state >= SECONDS_BETWEEN_STATES:
            self.save_state(trainer)

    def memory(self) -> list:
        return [path.name for path in self._kept]

    def remember(self, memory: list, step: int) -> None:
        """keep_last deletes what stands here: names of checkpoints, in the run's own folder, and nothing else."""
        if foreign := [name for name in memory if not _is_checkpoint(name)]:
            raise ValueError(f"it names {foreign[0]!r:.80} as one of its checkpoints")
        own = self.folder / CHECKPOINTS_FOLDER
        is_inside = own.resolve().is_relative_to(self.folder.resolve())
        self._kept = [path for path in (own / name for name in memory) if path.is_file()] if is_inside else []
        self._state_step = step
        if any(path.name.endswith(_ending(step)) for path in self._kept):  # whatever the folder was called then
            self._last_step = step

    def save_checkpoint(self, trainer: Trainer, kind: str = "checkpoint") -> Path:
        """A LoRA file of this step and the state that belongs to it."""
        path = self._path(trainer.step)
        self._write(path, trainer)
        self._last_file, self._last_step = self._clock(), trainer.step
        self._forget_old(path)
        self.save_state(trainer)
        trainer.emit(Saved(step=trainer.step, path=path, kind=kind))
        return path

    def save_best(self, trainer: Trainer) -> None:
        """Replace the file of the best validation so far."""
        path = self.folder / CHECKPOINTS_FOLDER / f"{self.folder.name}-best.safetensors"
        self._write(path, trainer)
        trainer.emit(Saved(step=trainer.step, path=path, kind="best"))

    def save_state(self, trainer: Trainer) -> None:
        """In the place of the state before, which is kept beside it when this one may be no good, and stays when an update is half made."""
        if trainer.updater.is_half_made:
            trainer.emit(Message(level="warning", topic="saved", step=trainer.step, text=(
                f"the update of step {trainer.step + 1} was cut short. The LoRA has a part of it, and no state is saved of that: "
                f"{self._last_whole()}.")))
            return
        trainer.require_sound()
        with self._noting(f"the state of step {trainer.step} ({self._last_whole()})"):
            if trainer.divergence.is_doubtful:
                keep_as_last_good(self.state_path)
            put_state(self.folder, trainer, self.identity)
        if not trainer.divergence.is_doubtful:
            forget_last_good(self.state_path)
        self._last_state, self._state_step = self._clock(), trainer.step
        trainer.emit(Saved(step=trainer.step, path=self.state_path, kind="state"))

    def end_of(self, step: int) -> Path | None:
        """The run's LoRA, if it lies there and is that of this step."""
        try:
            return self._end_path if read_metadata(self._end_path).get("ss_steps") == str(step) else None
        except FileError:
            return None

    def save_end(self, trainer: Trainer) -> Path | None:
        """The run's LoRA as it is now and the state, whatever ended it. Nothing is raised for what the disk refuses; None when
        that is the LoRA."""
        path = self._end_path
        is_written = False
        with suppress(DiskError):
            self._write(path, trainer)
            is_written = True
        with suppress(DiskError):
            self.save_state(trainer)
        if not is_written:
            return None
        trainer.emit(Saved(step=trainer.step, path=path, kind="lora"))
        if told := self._told_of(path, trainer):
            trainer.emit(Message(level="info", topic="saved", step=trainer.step, text=f"{path.name}: {told}."))
        return path

    def _told_of(self, path: Path, trainer: Trainer) -> str:
        """How `path` was read back. A Cancel meanwhile leaves the rest of it out; the file is there."""
        def watch(done: int, total: int) -> None:
            if trainer.control.is_cancelled() and done < total:
                raise _LeftOut(f"{done} of {total} modules read back as they were trained, the rest left out: Cancel was pressed")
            trainer.emit(Progress(phase="reading back", done=done, total=total))

        try:
            with trainer.updater.as_saved():
                return self._read_back(path, trainer.updater.network, watch)
        except _LeftOut as said:
            return str(said)

    def save_elsewhere(self, trainer: Trainer) -> None:
        """Where the run's own disk refused the LoRA, and nobody will be given it: among the system's temporary files."""
        path = Path(tempfile.gettempdir()) / "lora_canvas" / f"{self.folder.name}{_ending(trainer.step)}"
        lora = self.trained(trainer)
        with suppress(DiskError):
            write_lora(path, lora, lora.metadata, torch.float32)
            self.elsewhere = f"{path.parent.name}/{path.name}"

    def trained(self, trainer: Trainer) -> TrainedLora:
        """The adapters as a LORA_MODEL, fp32."""
        with trainer.updater.as_saved():
            return TrainedLora(to_tensors(trainer.updater.network), self._metadata_at(trainer.step))

    def _write(self, path: Path, trainer: Trainer) -> None:
        trainer.require_sound()
        lora = self.trained(trainer)
        with self._noting(f"{path.name} of step {trainer.step}"):
            write_lora(path, lora, lora.metadata, torch.float32)

    @contextmanager
    def _noting(self, what: str) -> Iterator[None]:
        try:
            yield
        except DiskError as refusal:
            self.missing += [] if what in self.missing else [what]
            self.refusal = refusal
            raise
        self.missing = [name for name in self.missing if name != what]

    def _last_whole(self) -> str:
        return "there is none" if self._state_step is None else f"the last whole one is of step {self._state_step}"

    def _path(self, step: int) -> Path:
        return checkpoint_file(self.folder, step)

    def _due(self, trainer: Trainer) -> bool:
        spec, step = self._spec, trainer.step
        epochs = spec.save_every_n_epochs * trainer.plan.steps_per_epoch
        return (
            (spec.save_every_n_steps > 0 and step % spec.save_every_n_steps == 0)
            or (epochs > 0 and step % epochs == 0)
            or (spec.save_every_n_minutes > 0 and self._clock() - self._last_file >= 60 * spec.save_every_n_minutes)
        )

    def _forget_old(self, newest: Path) -> None:
        """Keep the last `keep_last` of the checkpoints that this run wrote."""
        self._kept = [path for path in self._kept if path != newest] + [newest]
        while self._spec.keep_last and len(self._kept) > self._spec.keep_last:
            self._kept.pop(0).unlink(missing_ok=True)


def _ending(step: int) -> str:
    return f"-{step:06d}.safetensors"


def _is_checkpoint(name: object) -> bool:
    return isinstance(name, str) and Path(name).name == name and _CHECKPOINT.fullmatch(name) is not None
