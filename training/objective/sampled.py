"""Training where one samples: the noise levels of a sampler's own schedule, as a SIGMAS wire holds them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import SettingsError
from .timesteps import Given

WHERE = "Training Objective"

#: Schedules are written with four digits, and may begin a little above the model's own noisiest level.
_ROUNDING = 1.001


@dataclass(frozen=True, kw_only=True, slots=True)
class SampledSigmas:
    """`sigmas` as ComfyUI counts them, falling: n + 1 levels bound the n steps of a schedule. Every step is trained equally
    often, and within a step every level between its two ends. A piece of a schedule is a window of noise levels."""

    sigmas: tuple[float, ...]

    def problems(self) -> list[str]:
        if len(self.sigmas) < 2:
            return [f"sigmas holds {len(self.sigmas)} noise levels, but two at least are needed. Connect a scheduler of 1 step or more."]
        if not all(math.isfinite(sigma) and sigma >= 0 for sigma in self.sigmas):
            return ["sigmas holds values that are no noise levels (below 0, or not finite). Connect the SIGMAS of a scheduler node."]
        if any(later >= earlier for earlier, later in zip(self.sigmas, self.sigmas[1:], strict=False)):
            return ["sigmas must fall from step to step, as when sampling. Take Flip Sigmas and the like out of the way to this node."]
        return []


@dataclass(frozen=True, kw_only=True, slots=True)
class Steps:
    """Positions in [0, 1], rising, that bound steps: each step equally often, evenly within it."""

    bounds: tuple[float, ...]

    def quantile(self, u: Tensor, given: Given) -> Tensor:
        bounds = torch.tensor(self.bounds, dtype=u.dtype, device=u.device)
        scaled = u * (len(bounds) - 1)
        step = scaled.long().clamp(max=len(bounds) - 2)
        return bounds[step] + (scaled - step) * (bounds[step + 1] - bounds[step])


def steps_of(levels: Tensor, parametrisation: str, table: Tensor) -> Steps:
    """The steps between `levels` (N + 1,), falling, in the engine's units, on a model with this ascending `table` of levels.

    Raises SettingsError where they are noisier than the model knows.
    """
    noisiest = float(table[-1])
    if float(levels[0]) > noisiest * _ROUNDING:
        raise SettingsError(WHERE, [
            f"the connected sigmas begin at {float(levels[0]):.4g}, but the model's noisiest level is {noisiest:.4g}: they were made for "
            "another model. Connect the model that is trained to the scheduler node as well."
        ])  # fmt: skip
    levels = levels.double().clamp(max=noisiest).flip(0)
    positions = levels if parametrisation == "flow" else _positions(levels, table.double())
    return Steps(bounds=tuple(positions.tolist()))


def _positions(levels: Tensor, table: Tensor) -> Tensor:
    """Where in the table each level lies, as a share of its length; between two entries by the logarithm, as ComfyUI does."""
    upper = torch.searchsorted(table, levels).clamp(1, len(table) - 1)
    low, high = table[upper - 1].log(), table[upper].log()
    share = ((levels.clamp_min(float(table[0])).log() - low) / (high - low)).clamp(0, 1)
    return (upper - 1 + share) / len(table)
