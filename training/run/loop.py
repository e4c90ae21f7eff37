"""The loop of a run. Everything else happens in the parts it calls."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import torch

from ..data.batches import Draw
from ..errors import NonFiniteError
from ..events import Message, StepDone
from ..processes.processes import shares, summed
from .trainer import Trainer
from .updater import Reading

Part = Sequence[tuple[int, Draw]]
"""Draws of a micro-batch, each with its place in the update."""
Seen = tuple[torch.Tensor, list[int]]
"""(3, items) on the device: the losses, the plain ones, and the noise levels; and the items' places."""


def train(trainer: Trainer) -> str:
    """Run to the end; 'finished', or 'stopped' / 'paused' when asked to. Raises whatever a step raises."""
    _between_steps(trainer)
    while trainer.step < trainer.total_steps and (agreed := trainer.agreement.before(trainer.step)).ending is None:
        started = time.perf_counter()
        group = trainer.plan.group(trainer.step)
        trainer.updater.set_rates(trainer.step, agreed.learning_rate_scale)
        reading = None
        while reading is None:
            reading = _attempt(trainer, group)
        trainer.updater.zero_grad()
        trainer.step += 1
        losses, plain, positions = reading.rows
        trainer.divergence.see(plain, positions)
        loss = sum(losses) / len(losses)
        _report(trainer, _step_done(trainer, group, loss, reading, time.perf_counter() - started))
        _between_steps(trainer)
    return trainer.agreement.before(trainer.step).ending or "finished"


def _attempt(trainer: Trainer, group: list[list[Draw]]) -> Reading | None:
    """One update, and what was read of it; None where it must be tried again: fp16 overflowed, or a process' models were unloaded."""
    seen = _accumulated(trainer, group)
    if not trainer.processes.are_ready(seen is not None, trainer.control.check) or seen is None:
        trainer.updater.zero_grad()
        return None
    rows = summed(trainer.processes, trainer.updater.trained(), *seen, sum(map(len, group)))
    reading = trainer.updater.measure(rows)
    if not reading.is_sound:
        trainer.require_sound()
    _require_finite(trainer, group, reading.rows[0])
    return reading if trainer.updater.update(reading.grad_norm) else None


def _accumulated(trainer: Trainer, group: list[list[Draw]]) -> Seen | None:
    """`_accumulate`; None where the models were unloaded meanwhile, which may end in any error, or in none."""
    try:
        seen = _accumulate(trainer, group)
    except trainer.control.interrupts:
        raise
    except Exception:
        if not trainer.was_taken_away():
            raise
        return None
    return None if trainer.was_taken_away() else seen


def _accumulate(trainer: Trainer, group: list[list[Draw]]) -> Seen:
    """Forward and backward of this process' part of every micro-batch; each item weighs the same however the group is cut."""
    total = sum(len(batch) for batch in group)
    parts = shares(trainer.processes, trainer.plan.cut(group))
    rows: list[torch.Tensor] = [torch.zeros(3, 0, device=trainer.memory.device)]
    for part, following in zip(parts, _following(trainer, parts), strict=True):
        trainer.control.check()
        if following:
            trainer.stepper.feed.prepare([draw for _, draw in following])
        rows.append(trainer.micro_step([draw for _, draw in part], [(place, total) for place, _ in part], total))
    return torch.cat(rows, dim=1), [place for part in parts for place, _ in part]


def _following(trainer: Trainer, parts: list[Part]) -> list[Part | None]:
    """Of each micro-batch the one that comes after it; None after the last of the run, or where that is other processes'."""
    if not parts or trainer.step + 1 >= trainer.total_steps:
        return [*parts[1:], None][: len(parts)]
    ahead = trainer.plan.cut(trainer.plan.group(trainer.step + 1))
    return [*parts[1:], next(iter(shares(trainer.processes, ahead)), None)]


def _require_finite(trainer: Trainer, group: list[list[Draw]], losses: list[float]) -> None:
    for draw, loss in zip([draw for batch in group for draw in batch], losses, strict=True):
        if not math.isfinite(loss):
            raise NonFiniteError(
                f"the loss became {loss} at step {trainer.step + 1}, on '{trainer.stepper.feed.name(draw)}'. Nothing was updated "
                "with it. Try a lower learning rate; precision bf16 or fp32 on the Train LoRA node; and look at that "
                "picture and its caption."
            )


def _between_steps(trainer: Trainer) -> None:
    trainer.was_taken_away()
    if not trainer.processes.is_main:
        return
    for companion in trainer.companions:
        companion.after_step(trainer)


def _report(trainer: Trainer, done: StepDone) -> None:
    trainer.emit(done)
    spilling = trainer.spill_watch.step(done.seconds, done.items, done.memory_bytes)
    if spilling:
        trainer.emit(Message(level="warning", topic="spilling", step=done.step, text=spilling))


def _step_done(trainer: Trainer, group: list[list[Draw]], loss: float, reading: Reading, seconds: float) -> StepDone:
    mean_norm, scaled = reading.bounds or (None, None)
    return StepDone(
        step=trainer.step, total_steps=trainer.total_steps, epoch=trainer.step / trainer.plan.steps_per_epoch, loss=loss,
        learning_rates=trainer.updater.learning_rates(), grad_norm=reading.grad_norm, items=sum(map(len, group)), seconds=seconds,
        memory_bytes=trainer.memory.now(), peak_memory_bytes=trainer.memory.peak(),
        mean_norm=mean_norm, scaled_modules=scaled,
    )
