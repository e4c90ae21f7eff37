"""The learning rate's multiplier as a pure function of the step: a resumed run needs nothing but the step."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .spec import OptimizerSpec

SCHEDULES = (
    "constant",
    "constant_with_warmup",
    "linear",
    "cosine",
    "cosine_with_restarts",
    "polynomial",
    "piecewise_constant",
)
WITHOUT_WARMUP = ("constant", "piecewise_constant")
_PIECES = re.compile(r"\s*(?:[0-9.eE+-]+\s*:\s*[0-9]+\s*,\s*)+[0-9.eE+-]+\s*")


def lr_multiplier(spec: "OptimizerSpec", total_steps: int) -> Callable[[int], float]:
    """What the learning rates are multiplied by before the update with index `step` (from 0) of `total_steps`.

    The curves are those of diffusers: warm-up rises from 0 in equal steps, so the very first update of a warm-up has rate 0.
    After the warm-up the multiplier never falls below `min_lr_ratio`.
    """
    warmup = warmup_steps(spec, total_steps)
    curve = _curve(spec, warmup, total_steps)
    floor = spec.min_lr_ratio

    def multiplier(step: int) -> float:
        value = float(curve(step))
        return value if step < warmup else floor + (1 - floor) * value

    return multiplier


def warmup_steps(spec: "OptimizerSpec", total_steps: int) -> int:
    """Steps of warm-up: `warmup_steps`, or if that is 0 `warmup_percent` of the run. Some schedules have none."""
    if spec.scheduler in WITHOUT_WARMUP:
        return 0
    return spec.warmup_steps or round(total_steps * spec.warmup_percent / 100)


def pieces_problems(pieces: str) -> list[str]:
    """What is wrong with the text of a piecewise schedule."""
    if _PIECES.fullmatch(pieces):
        return []
    return [
        f"scheduler_pieces is '{pieces}' but must be like '1:500,0.5:800,0.1': full rate until step 500, half until 800, "
        "a tenth to the end."
    ]


def _curve(spec: "OptimizerSpec", warmup: int, total_steps: int) -> Callable[[int], float]:
    """The multiplier before `min_lr_ratio`. transformers, which ComfyUI brings, has the same curves as diffusers and kohya."""
    if spec.scheduler == "piecewise_constant":
        return _piecewise(spec.scheduler_pieces)
    import torch
    from transformers import optimization

    # transformers wraps its curves in torch schedulers; one on an optimizer of rate 1 gives the curve itself.
    stand_in = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    length = {"num_warmup_steps": warmup, "num_training_steps": total_steps}
    makers = {
        "constant": lambda: optimization.get_constant_schedule(stand_in),
        "constant_with_warmup": lambda: optimization.get_constant_schedule_with_warmup(stand_in, warmup),
        "linear": lambda: optimization.get_linear_schedule_with_warmup(stand_in, **length),
        "cosine": lambda: optimization.get_cosine_schedule_with_warmup(stand_in, **length),
        "cosine_with_restarts": lambda: optimization.get_cosine_with_hard_restarts_schedule_with_warmup(
            stand_in, **length, num_cycles=spec.scheduler_cycles
        ),
        "polynomial": lambda: optimization.get_polynomial_decay_schedule_with_warmup(
            stand_in, **length, power=spec.scheduler_power
        ),
    }
    return makers[spec.scheduler]().lr_lambdas[0]


def _piecewise(pieces: str) -> Callable[[int], float]:
    """'1:500,0.5:800,0.1' -> 1 before step 500, 0.5 before 800, 0.1 from there on."""
    *bounded, last = pieces.replace(" ", "").split(",")
    rules = [(int(until), float(factor)) for factor, until in (piece.split(":") for piece in bounded)]
    return lambda step: next((factor for until, factor in rules if step < until), float(last))
