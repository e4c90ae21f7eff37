"""A run from start to end, whatever ends it: a usable LoRA and a state to go on from are always left."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..events import Emitter, RunEnded, RunStarted
from ..network.attach import attached
from .build import Built, Order, build
from .control import Control
from .loop import train
from .state import load_state


@dataclass(frozen=True, kw_only=True)
class Result:
    """How a run ended. `reason` is 'finished', 'stopped' or 'paused'."""

    reason: str
    step: int
    lora_path: Path
    built: Built


def run(
    order: Order, control: Control, emit: Emitter, metadata: Callable[..., Mapping[str, str]], state: Path | None = None
) -> Result:
    """Train as ordered; `state` is a state file to go on from.

    A cancel or an error is passed on to the caller, after the LoRA so far and the state are on disk.
    """
    started = time.monotonic()
    built = build(order, control, emit, metadata)
    trainer = built.trainer
    if state is not None:
        load_state(state, trainer, built.checkpoints.identity)
    first_step = trainer.step
    emit(RunStarted(run_name=order.folder.name, folder=order.folder, start_step=first_step, total_steps=trainer.total_steps,
                    steps_per_epoch=trainer.plan.steps_per_epoch, settings=built.settings))
    reason, error = "failed", None
    try:
        with order.training(), attached(built.network, list(order.parts), checkpointing=order.run.gradient_checkpointing):
            reason = train(trainer)
    except control.interrupts:
        reason = "cancelled"
        raise
    except BaseException as caught:
        error = f"{type(caught).__name__}: {caught}"
        raise
    finally:
        moved = trainer.step > first_step or reason in ("finished", "stopped", "paused")
        path = built.checkpoints.save_end(trainer) if moved else None
        emit(RunEnded(reason=reason, step=trainer.step, total_steps=trainer.total_steps, lora_path=path,
                      seconds=time.monotonic() - started, error=error))
    return Result(reason=reason, step=trainer.step, lora_path=path, built=built)
