"""A run from start to end, whatever ends it: a usable LoRA and a state to go on from are always left."""

from __future__ import annotations

import gc
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ..data.folder.left_out import told_left_out
from ..data.pictures import changed, held
from ..devices import generators
from ..devices.determinism import deterministic
from ..errors import DiskError, NonFiniteError
from ..events import Emitter, Message, RunEnded, RunStarted, cause_of
from ..files.atomic import remove_left_overs
from ..memory.lack import twice
from ..order import Order
from ..processes.at_hand import at_hand
from ..processes.processes import require_one_mind
from ..wording import count, some
from .build import Built, build
from .checkpoints import Checkpoints
from .control import CANCELLED, Control
from .gradient_check import require_true_gradient
from .out_of_memory import as_told, train_in_memory
from .place import require_place
from .resume.begun import as_begun
from .resume.identity import settings_identity
from .resume.saved import as_data, require_intact
from .space import FP32_BYTES, space_needed
from .state import load_state, saved_identity, ways_on


@dataclass(frozen=True, kw_only=True)
class Result:
    """How a run ended. `reason` is 'finished', 'stopped' or 'paused', or as in RunEnded where the disk refused; `lora_path` is
    None where it refused the LoRA."""

    reason: str
    step: int
    lora_path: Path | None
    built: Built


def carry_out(order: Order, control: Control, emit: Emitter, state: Path | None = None) -> Result:
    """Train as ordered; `state` is a state file to go on from. May be called under inference mode.

    A cancel or an error is passed on to the caller, after the LoRA so far and the state are on disk.
    """
    with torch.inference_mode(False), generators.kept(), _repeatable(order, emit):
        return _carry_out(order, control, emit, state)


def _repeatable(order: Order, emit: Emitter) -> AbstractContextManager[None]:
    """A CPU gives the same bits anyway."""
    def tell(name: str) -> None:
        text = f"PyTorch has no deterministic kernel for {name} on this card: this run may not come out bit by bit when it is done again."
        emit(Message(level="warning", topic="determinism", text=text))

    is_asked = order.recipe.run.deterministic and order.denoiser.device.type != "cpu"
    return deterministic(tell) if is_asked else nullcontext()


def _carry_out(order: Order, control: Control, emit: Emitter, state: Path | None) -> Result:
    started = time.monotonic()
    built: Built | None = None
    first_step, reason, error, path = 0, "failed", None, None
    try:
        require_place(order.folder)
        order = replace(order, recipe=replace(order.recipe, dataset=held(order.recipe.dataset)))
        if state is not None:
            at_hand(order.processes, state)
        order = _as_begun(order, state, emit)
        names = [sample.name for sample in order.recipe.dataset.samples]
        require_one_mind(order.processes, {**settings_identity(order), "the names of the pictures": names})
        built = build(order, control, emit, state)
        first_step = _resume(order, built, state)
        _say_space(order, built, emit)
        _say_what_is_left_out(order, emit)
        emit(_started(order, built, time.monotonic() - started))
        if order.trial is not None and state is None:
            require_true_gradient(order.trial, built.network, built.trainer, emit)
        with _without_looking_back():
            reason = _train(order, built)
        path = _end(built, first_step)
        reason = _unless_refused(reason, built.checkpoints)
        return Result(reason=reason, step=built.trainer.step, lora_path=path, built=built)
    except control.interrupts:
        reason = CANCELLED
        path = _save_what_was_learned(built, first_step)
        raise
    except NonFiniteError as caught:
        path = _save_before_it(built, first_step)
        told = NonFiniteError(f"{caught} {ways_on(built.checkpoints.state_path)}") if built else caught
        reason, error = "failed", cause_of(told)
        raise told from caught
    except BaseException as caught:
        told = as_told(caught, built)
        reason, error = "failed", cause_of(told)
        path = _save_what_was_learned(built, first_step)
        if told is caught:
            raise
        raise told from caught
    finally:
        if built is not None:
            _say_what_is_missing(built, reason, emit)
            _say_what_has_changed(order, built, emit)
        emit(RunEnded(reason=reason, step=built.trainer.step if built else 0, total_steps=built.trainer.total_steps if built else 0,
                      lora_path=path, seconds=time.monotonic() - started, error=error,
                      missing=tuple(built.checkpoints.missing) if built else ()))


@contextmanager
def _without_looking_back() -> Iterator[None]:
    """What has outlived one full look of Python's for garbage is left alone by those to come: a million objects of ComfyUI and its
    packs, which take a third of a second, every ten steps or so."""

    def leave(phase: str, info: Mapping[str, int]) -> None:
        if phase == "stop" and info["generation"] == 2 and not gc.get_freeze_count():
            gc.freeze()

    gc.callbacks.append(leave)
    try:
        yield
    finally:
        gc.callbacks.remove(leave)
        gc.unfreeze()


def _say_what_is_left_out(order: Order, emit: Emitter) -> None:
    if names := order.recipe.dataset.left_out:
        emit(Message(level="info", topic="left out", text=told_left_out(names)))


def _as_begun(order: Order, state: Path | None, emit: Emitter) -> Order:
    if state is None:
        return order
    require_intact(state)
    saved = saved_identity(state)
    with as_data(state):
        begun, told = as_begun(order, saved)
    if told:
        emit(Message(level="warning", topic="noise levels", text=told))
    return begun


def _resume(order: Order, built: Built, state: Path | None) -> int:
    """The number of steps that are done already."""
    if state is not None:
        load_state(state, built.trainer)
        if order.processes.is_main:
            remove_left_overs(order.folder)
    return built.trainer.step


def _say_space(order: Order, built: Built, emit: Emitter) -> None:
    recipe, trainer = order.recipe, built.trainer
    space = space_needed(
        recipe.run, recipe.preview, parameters=built.network.parameter_count(), done=trainer.step, total_steps=trainer.total_steps,
        state_bytes=recipe.optimizer.kind.state_bytes + (FP32_BYTES if trainer.updater.ema else 0),
        steps_per_epoch=trainer.plan.steps_per_epoch,
    )
    with suppress(OSError):  # a file system that does not say how much is free
        emit(space.told(shutil.disk_usage(order.folder).free))


def _started(order: Order, built: Built, seconds: float) -> RunStarted:
    trainer, recipe = built.trainer, order.recipe
    epoch = trainer.plan.steps_per_epoch
    return RunStarted(run_name=order.folder.name, folder=order.folder, start_step=trainer.step, total_steps=trainer.total_steps,
                      steps_per_epoch=epoch, settings=built.settings, seconds=seconds,
                      preview_every=recipe.preview.steps_between(epoch) if recipe.preview else 0,
                      validate_every=recipe.run.validate_every_n_steps)


def _end(built: Built, first_step: int) -> Path | None:
    """The run's LoRA. Without a step, what lies on disk is left alone when it is of this step."""
    if not built.trainer.processes.is_main:
        return None
    there = built.checkpoints.end_of(first_step) if built.trainer.step == first_step else None
    return there or _saved(built)


def _saved(built: Built) -> Path | None:
    return twice(lambda: built.checkpoints.save_end(built.trainer), built.trainer.memory.device)


def _save_what_was_learned(built: Built | None, first_step: int) -> Path | None:
    """The LoRA so far, unless no step was done; then what lies on disk is as good. All processes have the same: one saves it."""
    if built is None or built.trainer.step == first_step or not built.trainer.processes.saves:
        return None
    built.trainer.updater.undo()
    try:
        path = _saved(built)
        if path is None:  # a cancel or an error gives nothing on
            built.checkpoints.save_elsewhere(built.trainer)
        return path
    except NonFiniteError as bad:  # what lies on disk is better
        built.trainer.emit(Message(level="error", topic="saved", step=built.trainer.step, text=str(bad)))
        return None


def _save_before_it(built: Built | None, first_step: int) -> Path | None:
    """When a step ended in numbers that are not finite: what it began with, beside the state before, since it led there."""
    if built is not None:
        built.trainer.divergence.broken = True
    return _save_what_was_learned(built, first_step)


def _train(order: Order, built: Built) -> str:
    """A disk that refuses what is to be kept ends the training as a wish to stop would."""
    try:
        return train_in_memory(order, built)
    except DiskError as refusal:
        return _stopped(refusal)


def _stopped(refusal: DiskError) -> str:
    return f"stopped: {refusal.cause}"


def _unless_refused(reason: str, checkpoints: Checkpoints) -> str:
    return _stopped(checkpoints.refusal) if checkpoints.refusal else reason


def _say_what_is_missing(built: Built, reason: str, emit: Emitter) -> None:
    missing, refusal = built.checkpoints.missing, built.checkpoints.refusal
    if refusal is None:
        return
    kept = "The node gives on the LoRA as it is now, so Save LoRA can write it elsewhere. " if reason == _stopped(refusal) else ""
    if built.checkpoints.elsewhere:
        kept = f"The LoRA as it is now lies in the system's folder for temporary files, as {built.checkpoints.elsewhere}. "
    absent = f"Not on disk: {'; '.join(missing)}. " if missing else "What was learned is on disk all the same. "
    text = f"{refusal} {absent}{kept}Resuming goes on from the last whole state."
    emit(Message(level="error", topic="disk", step=built.trainer.step, text=text))


def _say_what_has_changed(order: Order, built: Built, emit: Emitter) -> None:
    names = [name for sample in order.recipe.dataset.samples for name in changed(sample)]
    if names:
        text = (f"{count(len(names), 'picture')} changed or removed while the run was going: {some(names)}. It was trained on them as "
                "they were, and can be resumed with the old files only. Queue a new run to train on the new ones.")
        emit(Message(level="warning", topic="pictures", step=built.trainer.step, text=text))
