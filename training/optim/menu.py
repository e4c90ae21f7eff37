"""The Optimizer node's widgets, and the spec that they describe: names become types, texts are parsed, once."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import SettingsError, raise_problems
from ..inputs import SHORT, shown, text_problems
from ..registry import Registry, near_names
from . import schedules
from .arguments import parse_arguments
from .kinds import WHERE
from .rates import parse_rates
from .rules import parse_rules
from .spec import OptimizerSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class Knobs:
    """The node's widgets under their own names; which of them count depends on the choices."""

    optimizer: str = "AdamW"
    learning_rate: float = 1e-4
    text_encoder_lr: float = 0.0
    scheduler: str = "cosine"
    warmup_steps: int = 0
    warmup_percent: float = 5.0
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    extra_arguments: str = ""
    loraplus_ratio: float = 1.0
    loraplus_ratio_unet: float = 0.0
    loraplus_ratio_text_encoder: float = 0.0
    scheduler_cycles: int = 1
    scheduler_power: float = 1.0
    scheduler_pieces: str = ""
    min_lr_ratio: float = 0.0
    ema_decay: float = 0.0
    stop_text_encoder_at: float = 100.0
    group_rules: str = ""
    text_encoder_rates: str = ""
    scheduler_timescale: int = 0
    scheduler_decay_percent: float = 20.0


SCHEDULERS: Registry[Callable[[Knobs], schedules.Curve]] = Registry("scheduler", WHERE)
SCHEDULERS.register(schedules.Constant.name)(lambda k: schedules.Constant())
SCHEDULERS.register(schedules.ConstantWithWarmup.name)(lambda k: schedules.ConstantWithWarmup())
SCHEDULERS.register(schedules.Linear.name)(lambda k: schedules.Linear())
SCHEDULERS.register(schedules.Cosine.name)(lambda k: schedules.Cosine())
SCHEDULERS.register(schedules.CosineWithRestarts.name)(lambda k: schedules.CosineWithRestarts(cycles=k.scheduler_cycles))
SCHEDULERS.register(schedules.Polynomial.name)(lambda k: schedules.Polynomial(power=k.scheduler_power, cycles=k.scheduler_cycles))
SCHEDULERS.register(schedules.InverseSquareRoot.name)(lambda k: schedules.InverseSquareRoot(timescale=k.scheduler_timescale))
SCHEDULERS.register(schedules.WarmupStableDecay.name)(lambda k: schedules.WarmupStableDecay(decay_percent=k.scheduler_decay_percent))
SCHEDULERS.register(schedules.PiecewiseConstant.name)(lambda k: read_pieces(k.scheduler_pieces))

_SAME = (
    "optimizer", "learning_rate", "text_encoder_lr", "weight_decay", "max_grad_norm", "loraplus_ratio", "loraplus_ratio_unet",
    "loraplus_ratio_text_encoder", "ema_decay", "stop_text_encoder_at",
)  # fmt: skip
_PIECES = re.compile(r"\s*(?:[0-9.eE+-]+\s*:\s*[0-9]+\s*,\s*)+[0-9.eE+-]+\s*")


def optimizer_from(knobs: Knobs) -> OptimizerSpec:
    """The spec that the widgets describe. Raises SettingsError that names every problem."""
    curve, problems = _curve(knobs)
    arguments, unread_arguments = parse_arguments(knobs.extra_arguments)
    rules, unread_rules = parse_rules(knobs.group_rules)
    rates, unread_rates = parse_rates(knobs.text_encoder_rates)
    problems += unread_arguments + unread_rules + unread_rates
    try:
        spec = OptimizerSpec(
            **{name: getattr(knobs, name) for name in _SAME}, extra_arguments=arguments, group_rules=rules,
            text_encoder_rates=rates,
            schedule=schedules.Schedule(
                curve, warmup_steps=knobs.warmup_steps, warmup_percent=knobs.warmup_percent, min_lr_ratio=knobs.min_lr_ratio
            ),
        )  # fmt: skip
    except SettingsError as error:
        raise SettingsError(WHERE, dict.fromkeys([*error.problems, *problems])) from None
    raise_problems(SettingsError, WHERE, problems)
    return spec


def read_pieces(text: str) -> schedules.PiecewiseConstant:
    """'1:500,0.5:800,0.1' -> 1 before step 500, 0.5 before 800, 0.1 from there on; without pieces when it cannot be read."""
    if len(text) > SHORT or not _PIECES.fullmatch(text):
        return schedules.PiecewiseConstant()
    *bounded, last = text.split(",")
    pairs = [piece.split(":") for piece in bounded]
    try:
        return schedules.PiecewiseConstant(pieces=tuple((float(factor), int(until)) for factor, until in pairs), last=float(last))
    except ValueError:
        return schedules.PiecewiseConstant()


def _curve(knobs: Knobs) -> tuple[schedules.Curve, list[str]]:
    """The chosen curve; and what is wrong with its name or text, or with a number that only another curve reads."""
    made = {name: SCHEDULERS.get(name)(knobs) for name in SCHEDULERS}
    chosen = made.pop(knobs.scheduler, None)
    problems = list(dict.fromkeys(problem for curve in made.values() for problem in curve.problems()))
    if chosen is None:
        problems.append(f"unknown scheduler '{knobs.scheduler}'. {near_names(knobs.scheduler, SCHEDULERS.names())}")
    if isinstance(chosen, schedules.PiecewiseConstant) and not chosen.pieces:
        problems += text_problems("scheduler_pieces", knobs.scheduler_pieces, SHORT)
        problems.append(
            f"scheduler_pieces is '{shown(knobs.scheduler_pieces)}' but must be like '1:500,0.5:800,0.1': full rate until step 500, "
            "half until 800, a tenth to the end."
        )
    return chosen or schedules.Schedule().curve, problems
