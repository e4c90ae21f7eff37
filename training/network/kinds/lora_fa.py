"""LoRA-FA: LoRA whose down stays as it was drawn; only up is trained (Zhang et al. 2023, eq. 3).

The input of a layer need not be kept for backward, and the optimizer has half the numbers to hold.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .adapter import Elsewhere, algorithm
from .initial import DEFAULT
from .lora import LoRA


@algorithm("lora_fa")
class LoRAFA(LoRA):
    """down ~ N(0, 2 / (fan in + rank)), kohya's choice; up = 0."""

    elsewhere = Elsewhere("networks.lora_fa")
    inits = (DEFAULT,)

    def make(self, generator: torch.Generator) -> None:
        super().make(generator)
        fan_in = math.prod(self.down_shape[1:])
        self.down.normal_(0, math.sqrt(2 / (fan_in + self.rank)), generator=generator)

    def _hold(self, down: Tensor, up: Tensor) -> None:
        self.register_buffer("down", down)
        self.up = nn.Parameter(up)
