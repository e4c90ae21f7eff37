"""DyLoRA: a LoRA that still works when cut to fewer ranks (Valipour et al. 2022).

Each micro-batch every module uses only its first b ranks, b drawn at random among the multiples of `unit`, scaled by
alpha / b (eq. 9); gradients reach the last `unit` of them (the paper's frozen mode, which kohya's scripts train). The
file is a plain LoRA: keeping its first b rows and columns and its alpha gives what was trained at b.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...ops import Op
from .adapter import Base, adapters
from .lora import LoRA


@dataclass(frozen=True)
class DyLoRAOptions:
    """`unit` ranks are trained together; it must divide the rank."""

    unit: int = 4

    def problems(self) -> list[str]:
        return [] if self.unit >= 1 else [f"unit is {self.unit} but must be at least 1."]


@adapters.register("dylora")
class DyLoRA(LoRA):
    """Where no gradient is recorded it is the whole LoRA."""

    algorithm = "dylora"
    inits = ("default",)
    options_type = DyLoRAOptions

    def __init__(self, op: Op, rank: int, alpha: float, *, generator: torch.Generator, init: str = "default", options: Any = None):
        super().__init__(op, rank, alpha, generator=generator, init=init)
        self.unit = (options or DyLoRAOptions()).unit

    def adapted(self, x: Tensor, base: Base) -> Tensor:
        y = base.run(x)
        if not torch.is_grad_enabled():
            return self.add_branch(y, x)
        last = self.unit * (1 + self.dropout.draws.integer(self.rank // self.unit, self.dropout.key, "dylora"))
        first = last - self.unit
        down = torch.cat((self.down[:first].detach(), self.down[first:last])).to(x.dtype)
        up = torch.cat((self.up[:, :first].detach(), self.up[:, first:last]), dim=1).to(x.dtype)
        return self.add_product(y, x, down, up, self.alpha / last * self.strength)

    @classmethod
    def problem(cls, op: Op, rank: int, init: str, options: Any) -> str | None:
        unit = (options or DyLoRAOptions()).unit
        if rank % unit:
            return f"DyLoRA's unit is {unit}, which does not divide rank {rank}. Use a rank that is a multiple of it."
        return None
