"""The learning rate's multiplier as a pure function of the step: a resumed run needs nothing but the step."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import MissingLibraryError

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

    The curves are diffusers' own: warm-up rises from 0 in equal steps, so the very first update of a warm-up has rate 0.
    After the warm-up the multiplier never falls below `min_lr_ratio`. Raises MissingLibraryError without diffusers.
    """
    warmup = warmup_steps(spec, total_steps)
    curve = _diffusers_curve(spec, warmup, total_steps)
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


def _diffusers_curve(spec: "OptimizerSpec", warmup: int, total_steps: int) -> Callable[[int], float]:
    try:
        from diffusers.optimization import get_scheduler
    except ImportError as error:
        raise MissingLibraryError("diffusers", "a learning-rate schedule") from error
    import torch

    # diffusers wraps its curves in torch schedulers; one on an optimizer of rate 1 gives the curve itself.
    stand_in = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    scheduler = get_scheduler(
        spec.scheduler,
        stand_in,
        step_rules=spec.scheduler_pieces.replace(" ", "") or None,
        num_warmup_steps=warmup,
        num_training_steps=total_steps,
        num_cycles=spec.scheduler_cycles,
        power=spec.scheduler_power,
    )
    return scheduler.lr_lambdas[0]
