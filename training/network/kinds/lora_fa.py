"""LoRA-FA: LoRA whose down stays as it was drawn; only up is trained (Zhang et al. 2023, eq. 3).

The input of a layer need not be kept for backward, and the optimizer has half the numbers to hold.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from ...ops import Op
from .adapter import adapters
from .lora import LoRA


@adapters.register("lora_fa")
class LoRAFA(LoRA):
    """down ~ N(0, 2 / (fan in + rank)), kohya's choice; up = 0."""

    algorithm = "lora_fa"
    inits = ("default",)

    def __init__(self, op: Op, rank: int, alpha: float, *, generator: torch.Generator, init: str = "default", options: Any = None):
        super().__init__(op, rank, alpha, generator=generator, init=init)
        fan_in = math.prod(self.down_shape[1:])
        self.down.normal_(0, math.sqrt(2 / (fan_in + rank)), generator=generator)

    def _hold(self, down: Tensor, up: Tensor) -> None:
        self.register_buffer("down", down)
        self.up = nn.Parameter(up)

    def shrink(self, ratio: float) -> None:
        with torch.no_grad():
            self.up.mul_(ratio)
