"""The parts of a run, wired: what the loop turns and what it leaves to others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor

from ..data.batches import BatchPlan, Draw
from ..errors import Contained, NonFiniteError
from ..events import Emitter, Message, side_matter_failed
from ..graph.replays import Replays
from ..memory.activations import in_main_memory
from ..memory.cheaply import cheaply
from ..memory.choice import CHEAP, MAIN_MEMORY, MemoryChoice
from ..memory.lack import twice
from ..memory.lane import Lane
from ..memory.meter import MemoryMeter
from ..memory.spilling import SpillWatch
from ..objective.divergence import Divergence
from ..optim.numerics import first_of
from ..processes.agreement import Agreement
from ..processes.processes import ALONE, Processes
from ..specs import GRAPH
from .control import Control
from .stepper import Given, Losses, Stepper
from .updater import Updater

Made = TypeVar("Made")


def _rows(losses: Losses) -> Tensor:
    return torch.stack([losses.trained.detach(), losses.plain, losses.position])


class Companion:
    """Something that happens between steps; it decides itself whether it is due."""

    def after_step(self, trainer: "Trainer") -> None:
        """Called at the start (trainer.step == start) and after every update, while no gradients are held."""

    def memory(self) -> list:
        """What a resumed run must know of the steps before, JSON-ready."""
        return []

    def remember(self, memory: list, step: int) -> None:
        """Take over what `memory` gave at `step`, before the run was cut off: what was done there is not done again. Raises
        ValueError or TypeError for what no `memory` gives: a state file may hold anything."""


@dataclass(kw_only=True)
class Trainer:
    """The parts of a run, wired. `step` counts finished updates; `lane` leads to main memory, None where there is no other.
    `replays` has micro-steps replayed, None: each is gone through. `choice` is what is kept to."""

    plan: BatchPlan
    stepper: Stepper
    updater: Updater
    control: Control
    emit: Emitter
    memory: MemoryMeter
    spill_watch: SpillWatch
    total_steps: int
    step: int = 0
    companions: Sequence[Companion] = field(default_factory=tuple)
    divergence: Divergence = field(default_factory=Divergence)
    restored: Callable[[], bool] = lambda: False
    lane: Lane | None = None
    processes: Processes = ALONE
    replays: Replays | None = None
    choice: MemoryChoice | None = None
    agreement: Agreement = field(init=False)

    def __post_init__(self) -> None:
        self.agreement = Agreement(self.processes, self.control)

    def keep_to(self, choice: MemoryChoice) -> None:
        """Between steps: from now on activations and the optimizer's state lie where `choice` says. What is recomputed, `attached`
        decides. Raises SettingsError for pages, where the optimizer has none."""
        self.choice = choice
        self.forget_recordings()
        self.stepper.keeping = partial(self._keeping, choice)
        self.updater.lay_state(choice.state, self.lane)

    def forget_recordings(self) -> None:
        """Before the model is moved: they hold its weights."""
        if self.replays is not None:
            self.replays.forget()

    def launch(self, way: str, unrecordable: Callable[[], str | None]) -> None:
        """Micro-steps are made in that `way`, one of specs.COMPILE, from now on. `unrecordable` is the Order's."""

        def say(text: str, is_warning: bool) -> None:
            self.emit(Message(level="warning" if is_warning else "info", topic="compile", step=self.step, text=text))

        def why_not() -> str | None:
            away = self.choice is not None and self.choice.activations == MAIN_MEMORY
            return "keeps in main memory what backward needs" if away else unrecordable()

        self.replays = None if way != GRAPH else Replays(
            self._gradients, self.updater.network.draws, lambda: list(self.updater.trained()), self.memory.device, say=say, why_not=why_not)

    def micro_step(self, draws: Sequence[Draw], strata: Sequence[tuple[int, int]], total: int) -> Tensor:
        """The gradients of one micro-batch, of an update of `total` pictures, are added to those of the others. (3, items) on the device:
        the losses, the plain ones, and the noise levels."""
        if self.replays is None:
            losses = self.stepper.look(draws, strata)
            self.updater.backward(losses.trained.sum() / total)
            return _rows(losses)
        given = self.stepper.given(draws, strata)
        upstream = torch.full((len(draws),), self.updater.scaler.get_scale() / total, device=given.latents.device)
        return self.replays.made(given, upstream, f"latents of {' x '.join(map(str, given.latents.shape))}")

    def _gradients(self, given: Given, upstream: Tensor) -> tuple[Tensor, Sequence[Tensor | None]]:
        """What is told of a micro-step, and the gradients of what is trained; `upstream` (items,) is that of the losses."""
        try:
            losses = self.stepper.computed(given)
            return _rows(losses), torch.autograd.grad(losses.trained, self.updater.trained(), upstream, allow_unused=True)
        finally:
            self.updater.network.copies.forget()

    @contextmanager
    def _keeping(self, choice: MemoryChoice) -> Iterator[None]:
        lane = self.lane if choice.activations == MAIN_MEMORY else None
        with in_main_memory(lane, self.updater.network.tensors()), cheaply() if choice.recompute == CHEAP else nullcontext():
            yield

    def aside(self, name: str, work: Callable[[], Made]) -> Made | None:
        """What `work` makes, which must not end the run: whatever fails in it, but a Cancel, is a warning about `name`. Out of memory, it
        is tried once more when what nobody needs is given back."""
        with Contained(*self.control.interrupts) as trouble:
            return twice(work, self.memory.device)
        if trouble.error is not None:
            self.emit(side_matter_failed(name, trouble.error, self.step))
        return None

    def was_taken_away(self) -> bool:
        """Whether the models were unloaded under the run. They are back then, and what was computed meanwhile is forgotten."""
        if not self.restored():
            return False
        self.updater.zero_grad()
        self.forget_recordings()
        self.emit(Message(level="warning", topic="unloaded", step=self.step, text=(
            "another node or a manager had the models unloaded in the middle of the run. They were loaded again, and the run goes on.")))
        return True

    def require_sound(self) -> None:
        """Before anything is saved. Raises NonFiniteError when not all of it is finite."""
        bad = self.updater.unsound()
        if bad:
            raise NonFiniteError(
                f"the update of step {self.step} broke the run: {first_of(bad)} {'are' if len(bad) > 1 else 'is'} not finite any more. Its "
                "gradient was finite, so it is the optimizer that went too far. Nothing of it is saved. Lower the learning rate on the "
                "Optimizer node, or choose AdamW there."
            )
