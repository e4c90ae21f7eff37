"""Is it still learning, or copying? The same pictures, noise and noise levels at every look, against the base model.

A training loss jumps with every draw. Here nothing is drawn anew: each picture is seen at each noise level with its own
fixed noise, so what changes between two looks is the adapter alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import torch

from ..data.batches import Draw
from ..events import Progress, Validated
from ..objective.objective import Objective
from ..protocols import Denoiser
from ..seeds import mix_seed
from .feed import Feed
from .trainer import Companion, Trainer

POSITIONS = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Noise levels: fractions of the 1000 timesteps; for flow models sigma itself."""
MOST_PICTURES = 16
PATIENCE = 3
RISE = 1.02


class Validation(Companion):
    """`held_out` and `trained` are item indices of `feed`; without held-out pictures the trained ones are looked at,
    which tells how much was learned but not when it becomes too much. `on_best` is told when no earlier look was better.
    """

    def __init__(
        self,
        feed: Feed,
        denoiser: Denoiser,
        objective: Objective,
        *,
        held_out: Sequence[int],
        trained: Sequence[int],
        every_n_steps: int,
        on_best: Callable[[Trainer], None],
    ):
        self._feed = feed
        self._denoiser = denoiser
        self._objective = objective
        self._held_out = tuple(held_out)[:MOST_PICTURES]
        self._trained = tuple(trained)[: len(self._held_out) or MOST_PICTURES]
        self._every = every_n_steps
        self._on_best = on_best
        self._base: dict[tuple[int, ...], dict[float, float]] = {}
        self._history: list[tuple[float, float]] = []
        self._last_step = -1

    def after_step(self, trainer: Trainer) -> None:
        if not self._every or trainer.step == self._last_step:
            return
        if trainer.step == 0 or trainer.step % self._every and trainer.step != trainer.total_steps:
            return
        with trainer.updater.as_saved():
            found = trainer.aside(f"the validation of step {trainer.step}", lambda: self._validated(trainer))
        if found is not None:
            validated, history = found
            trainer.emit(validated)
            if validated.is_best:
                self._on_best(trainer)
            self._history = history
        self._last_step = trainer.step  # only now: what a cancel or a full disk cut short is done when the run goes on

    def _validated(self, trainer: Trainer) -> tuple[Validated, list[tuple[float, float]]]:
        """This look, and all of them."""
        started = time.perf_counter()
        bands = self._look(trainer, self._held_out or self._trained)
        train = self._look(trainer, self._trained) if self._held_out else bands
        base = self._of_base(trainer, self._held_out or self._trained)
        loss, relative = _mean(bands), _mean(bands) / _mean(base)
        is_best = math.isfinite(loss) and not any(earlier <= loss for earlier, _ in self._history)
        history = [*self._history, (loss, _mean(train))]
        return Validated(
            step=trainer.step, loss=loss, relative=relative, is_best=is_best, overfitting=self._overfitting(history),
            bands={f"t={int(position * 1000)}": value for position, value in bands.items()},
            seconds=time.perf_counter() - started,
        ), history

    def memory(self) -> list:
        return [[*look, self._last_step] for look in self._history]

    def remember(self, memory: list, step: int) -> None:
        """States of before know no step of the last look."""
        self._history = [(float(loss), float(train)) for loss, train, *_ in memory]
        self._last_step = int(memory[-1][2]) if memory and len(memory[-1]) > 2 else -1

    def _overfitting(self, history: Sequence[tuple[float, float]]) -> str | None:
        """The reason to believe so: held-out loss well above its best for several looks while the trained pictures' falls."""
        if not self._held_out or len(history) <= PATIENCE:
            return None
        best = min(loss for loss, _ in history)
        recent = history[-PATIENCE:]
        if not all(loss > RISE * best for loss, _ in recent) or recent[-1][1] >= history[-PATIENCE - 1][1]:
            return None
        return (
            f"the loss on held-out pictures has been more than {RISE - 1:.0%} above its best for {PATIENCE} looks, while it still "
            "falls on the trained ones: the LoRA starts to copy them. Take the best checkpoint, or train on more varied pictures."
        )

    def _of_base(self, trainer: Trainer, items: tuple[int, ...]) -> dict[float, float]:
        if items not in self._base:
            with trainer.updater.network.disabled():
                self._base[items] = self._look(trainer, items)
        return self._base[items]

    @torch.no_grad()
    def _look(self, trainer: Trainer, items: tuple[int, ...]) -> dict[float, float]:
        """Noise level -> mean loss over `items`."""
        sums = dict.fromkeys(POSITIONS, 0.0)
        for done, item in enumerate(items):
            trainer.control.check()
            trainer.emit(Progress(phase="validation", done=done, total=len(items)))
            draw = Draw(item, 0, 0, mix_seed("validation", item))
            fed = self._feed.batch([draw])
            for position in POSITIONS:
                noising = self._objective.noise_at(fed.latents, [position], [mix_seed(draw.seed, position)])
                denoised = self._denoiser.denoise(noising.x_t, noising.sigma, fed.conditions)
                sums[position] += float(self._objective.validation_losses(denoised, fed.latents, noising)[0])
        return {position: total / len(items) for position, total in sums.items()}


def _mean(bands: dict[float, float]) -> float:
    return sum(bands.values()) / len(bands)
