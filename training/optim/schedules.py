"""How the learning rate goes over a run, as a pure function of the step: a resumed run needs nothing but the step.

A curve is what is chosen, each with what only it has; a Schedule is a curve with its warm-up and its end. The curves are
those of diffusers, transformers and kohya: a warm-up rises from 0 in equal steps, so its very first update has rate 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar

from ..settings import called

Multiplier = Callable[[int], float]


class _Curve:
    """`name` is the choice on the canvas and in the file. `shape` gives the multiplier before `min_lr_ratio`."""

    __slots__ = ()
    name: ClassVar[str]
    has_warmup: ClassVar[bool] = True

    def problems(self) -> list[str]:
        return []

    def warnings(self) -> list[str]:
        """What is allowed but rarely meant."""
        return []

    def shape(self, warmup: int, total_steps: int) -> Multiplier:
        raise AssertionError(f"{type(self).__name__} lacks shape")


@dataclass(frozen=True, kw_only=True, slots=True)
class Constant(_Curve):
    """The full rate from the first update to the last."""

    name: ClassVar[str] = "constant"
    has_warmup: ClassVar[bool] = False

    def shape(self, warmup: int, total_steps: int) -> Multiplier:
        return lambda step: 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class ConstantWithWarmup(_Curve):
    """The full rate after a warm-up."""

    name: ClassVar[str] = "constant_with_warmup"

    def shape(self, warmup: int, total_steps: int) -> Multiplier:
        return _of_transformers("constant_schedule_with_warmup", num_warmup_steps=warmup)


@dataclass(frozen=True, kw_only=True, slots=True)
class Linear(_Curve):
    """A straight line down to 0."""

    name: ClassVar[str] = "linear"

    def shape(self, warmup: int, total_steps: int) -> Multiplier:
        return _of_transformers("linear_schedule_with_warmup", num_warmup_steps=warmup, num_training_steps=total_steps)


@dataclass(frozen=True, kw_only=True, slots=True)
class Cosine(_Curve):
    """Half a cosine: slowly at both ends, fastest in the middle."""

    name: ClassVar[str] = "cosine"

    def shape(self, warmup: int, total_steps: int) -> Multiplier:
        return _of_transformers("cosine_schedule_with_warmup", num_warmup_steps=warmup, num_training_steps=total_steps)


@dataclass(frozen=True, kw_only=True, slots=True)
class CosineWithRestarts(_Curve):
    """`cycles` cosines one after the other, each from the full rate."""

    name: ClassVar[str] = "cosine_with_restarts"
    cycles: int = field(default=1, metadata=called("scheduler_cycles"))

    def problems(self) -> list[str]:
        return outside("scheduler_cycles", self.cycles, 1, 1000)

    def shape(self, warmup: int, total_steps: int) -> Multiplier:
        return _of_transformers(
            "cosine_with_hard_restarts_schedule_with_warmup",
            num_warmup_steps=warmup, num_training_steps=total_steps, num_cycles=self.cycles,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Polynomial(_Curve):
    """What is left of a cycle to the `power`: 1 is a straight line, 2 falls sooner. `cycles` of them, each from the full rate.

    (1 - end) (1 - (cycles p mod 1))^power + end with p = (step - warmup) / (total - warmup) and end = 1e-7, as transformers has it."""

    name: ClassVar[str] = "polynomial"
    power: float = field(default=1.0, metadata=called("scheduler_power"))
    cycles: int = field(default=1, metadata=called("scheduler_cycles"))

    def problems(self) -> list[str]:
        return [*outside("scheduler_power", self.power, 1e-3, 100), *outside("scheduler_cycles", self.cycles, 1, 1000)]

    def shape(self, warmup: int, total_steps: int) -> Multiplier:
        end = 1e-7

        def at(step: int) -> float:
            done = (step - warmup) / max(1, total_steps - warmup)
            left = 1 - (self.cycles * done) % 1.0 if done < 1 else 0.0
            return (1.0 - end) * left**self.power + end

        return _after_warmup(warmup, at)


@dataclass(frozen=True, kw_only=True, slots=True)
class InverseSquareRoot(_Curve):
    """sqrt(timescale / (step - warmup + timescale)): half the rate at 3 timescales after the warm-up, and never 0, however long the run
    is. `timescale` 0 stands for the warm-up, and for 10000 without one. Source: transformers' get_inverse_sqrt_schedule (there after
    arXiv:2106.04560), where kohya's trainer takes it from."""

    name: ClassVar[str] = "inverse_sqrt"
    timescale: int = field(default=0, metadata=called("scheduler_timescale"))

    def problems(self) -> list[str]:
        return outside("scheduler_timescale", self.timescale, 0, 10**9)

    def shape(self, warmup: int, total_steps: int) -> Multiplier:
        timescale = self.timescale or warmup or 10_000
        return _after_warmup(warmup, lambda step: math.sqrt(timescale / (step - warmup + timescale)))


@dataclass(frozen=True, kw_only=True, slots=True)
class WarmupStableDecay(_Curve):
    """The full rate after a warm-up, and over the last `decay_percent` of the run half a cosine down: 0.5 (1 + cos(pi q)), q the share of
    the decay that is done. Source: arXiv:2404.06395, with the decay of transformers' get_wsd_schedule."""

    name: ClassVar[str] = "warmup_stable_decay"
    decay_percent: float = field(default=20.0, metadata=called("scheduler_decay_percent"))

    def problems(self) -> list[str]:
        return outside("scheduler_decay_percent", self.decay_percent, 0, 100)

    def shape(self, warmup: int, total_steps: int) -> Multiplier:
        decay = min(round(total_steps * self.decay_percent / 100), max(0, total_steps - warmup))
        begin = total_steps - decay

        def at(step: int) -> float:
            return 1.0 if step < begin else 0.5 * (1 + math.cos(math.pi * min(1.0, (step - begin) / max(1, decay))))

        return _after_warmup(warmup, at)


@dataclass(frozen=True, kw_only=True, slots=True)
class PiecewiseConstant(_Curve):
    """`pieces` are (factor, until): the factor of the steps before `until`, the first that fits; `last` is for the rest."""

    name: ClassVar[str] = "piecewise_constant"
    has_warmup: ClassVar[bool] = False
    pieces: tuple[tuple[float, int], ...] = field(default=(), metadata=called("scheduler_pieces"))
    last: float = field(default=1.0, metadata=called("the last factor of scheduler_pieces"))

    def problems(self) -> list[str]:
        factors = (*(factor for factor, _ in self.pieces), self.last)
        endless = [factor for factor in factors if not math.isfinite(factor)]
        return [f"scheduler_pieces holds the factor {factor:g}, but must hold finite numbers." for factor in endless]

    def warnings(self) -> list[str]:
        return [
            f"scheduler_pieces: no step has the factor {factor:g}, because a piece until step {before} stands before its {until}."
            for (_, before), (factor, until) in zip(self.pieces, self.pieces[1:])
            if until <= before
        ]

    def shape(self, warmup: int, total_steps: int) -> Multiplier:
        return lambda step: next((factor for factor, until in self.pieces if step < until), self.last)


Curve = (
    Constant | ConstantWithWarmup | Linear | Cosine | CosineWithRestarts | Polynomial | InverseSquareRoot | WarmupStableDecay
    | PiecewiseConstant
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Schedule:
    """`warmup_steps` updates of warm-up, or if that is 0 `warmup_percent` of the run; curves without a warm-up use neither.
    After it the multiplier never falls below `min_lr_ratio`."""

    curve: Curve = field(default_factory=Cosine, metadata=called("scheduler"))
    _: KW_ONLY
    warmup_steps: int = field(default=0, metadata=called("warmup_steps"))
    warmup_percent: float = field(default=5.0, metadata=called("warmup_percent"))
    min_lr_ratio: float = field(default=0.0, metadata=called("min_lr_ratio"))

    def problems(self) -> list[str]:
        return [
            *outside("warmup_steps", self.warmup_steps, 0, 10**9),
            *outside("warmup_percent", self.warmup_percent, 0, 100),
            *self.curve.problems(),
            *outside("min_lr_ratio", self.min_lr_ratio, 0, 1),
        ]

    def warnings(self) -> list[str]:
        """What is allowed but rarely meant."""
        if self.curve.has_warmup or not self.warmup_steps:
            return self.curve.warnings()
        return [*self.curve.warnings(), f"scheduler {self.curve.name} has no warm-up, so warmup_steps {self.warmup_steps} is not used. "
                "Choose constant_with_warmup."]  # fmt: skip

    def warmup(self, total_steps: int) -> int:
        """The updates of the warm-up in a run of `total_steps`."""
        return (self.warmup_steps or round(total_steps * self.warmup_percent / 100)) if self.curve.has_warmup else 0

    def outlasts(self, total_steps: int) -> list[str]:
        """A sentence where the warm-up is no shorter than a run of `total_steps`."""
        warmup = self.warmup(total_steps)
        if warmup < total_steps or total_steps < 2:
            return []
        return [
            f"the warm-up of {warmup} steps is as long as the run of {total_steps}, or longer: the learning rate never comes to its full "
            f"height. Set warmup_steps on Optimizer to a tenth of the run or less, {total_steps // 10} here, or to 0 for warmup_percent."
        ]

    def multiplier(self, total_steps: int) -> Multiplier:
        """What the learning rates are multiplied by before the update with index `step` (from 0) of `total_steps`."""
        warmup = self.warmup(total_steps)
        shape = self.curve.shape(warmup, total_steps)
        floor = self.min_lr_ratio

        def at(step: int) -> float:
            value = float(shape(step))
            return value if step < warmup else floor + (1 - floor) * value

        return at


def outside(name: str, value: float, low: float, high: float) -> list[str]:
    """The problem of a widget of the Optimizer node whose number lies outside its limits, if it does."""
    if low <= value <= high:
        return []
    return [f"{name} is {value:g} but must lie between {low:g} and {high:g}. Set '{name}' on the Optimizer node."]


def _after_warmup(warmup: int, shape: Multiplier) -> Multiplier:
    return lambda step: step / warmup if step < warmup else shape(step)


def _of_transformers(name: str, **settings: Any) -> Multiplier:
    """A curve of transformers, which ComfyUI brings. It wraps them in torch schedulers; one on an optimizer of rate 1
    gives the curve itself."""
    import torch
    from transformers import optimization

    stand_in = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    return getattr(optimization, f"get_{name}")(stand_in, **settings).lr_lambdas[0]
