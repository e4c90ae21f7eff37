"""What happens between steps: a run that falls apart is told so, and what it was before is kept."""

from __future__ import annotations

from pathlib import Path

from ..events import Message
from ..objective.divergence import FACTOR, STEPS
from .state import keep_as_last_good, ways_on
from .trainer import Companion, Trainer


class LossWatch(Companion):
    """`trainer` is the one whose losses it remembers; `state` is where the run's state lies."""

    def __init__(self, trainer: Trainer, state: Path):
        self._losses = trainer.divergence
        self._state = state
        self._said = False

    def after_step(self, trainer: Trainer) -> None:
        if self._said or not self._losses.has_diverged:
            return
        self._said = True
        trainer.aside("the state from before the loss rose", lambda: keep_as_last_good(self._state))
        trainer.emit(Message(level="warning", topic="divergence", step=trainer.step, text=(
            f"the run falls apart: since step {trainer.step - STEPS + 1} the loss is more than {FACTOR:g} times what it was in the first "
            f"{STEPS} steps, each noise level against itself; now it is {self._losses.factor:.3g} times that. Stop the run, and lower the "
            f"learning rate on the Optimizer node. {ways_on(self._state)}"
        )))

    def memory(self) -> list:
        return self._losses.memory()

    def remember(self, memory: list, step: int) -> None:
        if memory:  # states of before November 2026 have none
            self._losses.remember(memory)
