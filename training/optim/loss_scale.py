"""What a loss is multiplied by in fp16, so that small gradients do not vanish (Micikevicius et al. 2018, section 3.2).

torch's GradScaler does the same, but not on every device, and it computes in float64. Every scale here is a power of two: multiplying
by it and dividing by it again changes no bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from .numerics import by_device

FIRST = 2.0**14
GROWS_AFTER = 2000
"""Updates in a row without an overflow, after which the scale is doubled."""


class LossScale:
    """Halved by every overflow, doubled after GROWS_AFTER updates without one. Where it is not `enabled` it is 1 and stays so."""

    def __init__(self, *, enabled: bool):
        self._enabled = enabled
        self._scale = FIRST if enabled else 1.0
        self._good = 0

    def is_enabled(self) -> bool:
        return self._enabled

    def get_scale(self) -> float:
        return self._scale

    def scale(self, loss: Tensor) -> Tensor:
        return loss * self._scale if self._enabled else loss

    @torch.no_grad()
    def unscale(self, parameters: Iterable[Tensor]) -> None:
        """The gradients as if the loss had not been multiplied; where they overflowed they stay infinite."""
        if self._enabled:
            for near in by_device(parameter.grad for parameter in parameters if parameter.grad is not None):
                torch._foreach_mul_(near, 1 / self._scale)  # pyright: ignore[reportPrivateImportUsage]

    def update(self, *, overflowed: bool) -> None:
        """After every update that was made or could not be."""
        if not self._enabled:
            return
        self._good = 0 if overflowed else self._good + 1
        if overflowed:
            self._scale /= 2
        elif self._good == GROWS_AFTER:
            self._scale, self._good = self._scale * 2, 0

    def state_dict(self) -> dict[str, Any]:
        """Under the names that GradScaler gives them: states of before November 2026 hold its."""
        return {"scale": self._scale, "_growth_tracker": self._good} if self._enabled else {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Raises ValueError, TypeError or KeyError for what is none."""
        scale, good = float(state["scale"]), int(state["_growth_tracker"])
        if not (0 < scale < math.inf and 0 <= good < GROWS_AFTER):
            raise ValueError(f"its loss scale is {scale:g} after {good} updates")
        self._scale, self._good = scale, good
