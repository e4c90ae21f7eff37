"""The elementwise loss on the native error d = prediction - target.

Huber, smooth L1 and log-cosh have a threshold c: errors well below it count quadratically, errors well above it
linearly, so that outliers pull less. c may change with the noise level.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import softplus

from ..registry import near_names
from .widget import Widget, setting

THRESHOLD_SCHEDULES = ("constant", "exponential", "snr")


@dataclass(frozen=True, kw_only=True, slots=True)
class L2:
    """d^2: the loss every diffusion model was trained with."""

    def problems(self) -> list[str]:
        return []

    def elementwise(self, d: Tensor, position: Tensor, fraction: Tensor) -> Tensor:
        return d * d


@dataclass(frozen=True, kw_only=True, slots=True)
class L1:
    """|d|: outliers count less; fine detail may soften."""

    def problems(self) -> list[str]:
        return []

    def elementwise(self, d: Tensor, position: Tensor, fraction: Tensor) -> Tensor:
        return d.abs()


@dataclass(frozen=True, kw_only=True, slots=True)
class Thresholded:
    """`c` > 0 is the threshold; `schedule` how it changes with the noise level (see `threshold`)."""

    c: float = setting(Widget("huber_c", 0.1, least=0.0001, most=10.0, step=0.01,
        tooltip="For huber, smooth_l1 and log_cosh: errors above this count less. 0.1 is usual. Lower forgives more, and blurs."))
    schedule: str = setting(Widget("huber_schedule", "snr", options=THRESHOLD_SCHEDULES,
        tooltip="For huber, smooth_l1 and log_cosh: how huber_c changes with the noise level. 'snr' (best tested) and 'exponential' "
                "forgive more at high noise; 'constant' is the same everywhere."))

    def problems(self) -> list[str]:
        found = [] if self.c > 0 else [f"huber_c is {self.c} but must be above 0 (0.1 is usual)."]
        if self.schedule not in THRESHOLD_SCHEDULES:
            found.append(f"unknown huber_schedule '{self.schedule}'. {near_names(self.schedule, list(THRESHOLD_SCHEDULES))}")
        elif self.schedule != "constant" and self.c > 1:
            found.append(f"huber_c is {self.c} but must be at most 1 with the {self.schedule} schedule.")
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Huber(Thresholded):
    """Pseudo-Huber 2c (sqrt(d^2 + c^2) - c): d^2 for small, 2c|d| for large errors (arXiv:2403.16728)."""

    def elementwise(self, d: Tensor, position: Tensor, fraction: Tensor) -> Tensor:
        c = threshold(self.c, self.schedule, position, fraction)
        return 2 * c * ((d * d + c * c).sqrt() - c)


@dataclass(frozen=True, kw_only=True, slots=True)
class SmoothL1(Thresholded):
    """2 (sqrt(d^2 + c^2) - c): d^2 / c for small, 2|d| for large errors."""

    def elementwise(self, d: Tensor, position: Tensor, fraction: Tensor) -> Tensor:
        c = threshold(self.c, self.schedule, position, fraction)
        return 2 * ((d * d + c * c).sqrt() - c)


@dataclass(frozen=True, kw_only=True, slots=True)
class LogCosh(Thresholded):
    """2 c^2 log cosh(d / c): d^2 for small, 2c|d| for large errors, as Huber but smoother."""

    def elementwise(self, d: Tensor, position: Tensor, fraction: Tensor) -> Tensor:
        c = threshold(self.c, self.schedule, position, fraction)
        ratio = (d / c).abs()
        return 2 * c * c * (ratio + softplus(-2 * ratio) - math.log(2))


Loss = L2 | L1 | Huber | SmoothL1 | LogCosh


def threshold(c: float, schedule: str, position: Tensor, fraction: Tensor) -> Tensor:
    """The threshold at each noise level; `position` (timestep / 1000) and `fraction` broadcast against the error.

    constant      c
    exponential   c^position: 1 at a clean picture, c at pure noise (kohya: exp(-alpha t), alpha = -ln(c) / 1000)
    snr           (1 - c) (1 - fraction)^2 + c. With fraction = sigma / (1 + sigma) this is kohya's
                  (1 - c) / (1 + sigma)^2 + c; with flow's sigma as the fraction it holds for flow models too.
    """
    if schedule == "constant":
        return position.new_full((), c)
    if schedule == "exponential":
        return c**position
    return (1 - c) * (1 - fraction) ** 2 + c
