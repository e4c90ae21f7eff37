"""DyLoRA: a LoRA that still works when cut to fewer ranks (Valipour et al. 2022).

Each micro-batch every module uses only its first b ranks, b drawn at random among the multiples of `unit`, scaled by
alpha / b (eq. 9); gradients reach the last `unit` of them (the paper's frozen mode, which kohya's scripts train). The
file is a plain LoRA: keeping its first b rows and columns and its alpha gives what was trained at b.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...ops import Op
from .adapter import Base, Elsewhere, algorithm
from .initial import DEFAULT
from .lora import LoRA
from .options import Options


@dataclass(frozen=True)
class DyLoRAOptions(Options):
    """`unit` ranks are trained together; it must divide the rank."""

    unit: int = 4

    def problems(self) -> list[str]:
        return [] if self.unit >= 1 else [f"unit is {self.unit} but must be at least 1."]


@algorithm("dylora")
class DyLoRA(LoRA):
    """Where no gradient is recorded it is the whole LoRA."""

    elsewhere = Elsewhere("networks.dylora")
    inits = (DEFAULT,)
    draws_its_size = True
    options_type = DyLoRAOptions
    options: DyLoRAOptions

    def adapted(self, x: Tensor, base: Base) -> Tensor:
        y = base.run(x)
        if not torch.is_grad_enabled():
            return self.add_branch(y, x)
        unit = self.options.unit
        last = unit * (1 + self.dropout.draws.integer(self.rank // unit, self.dropout.key, "dylora"))
        first = last - unit
        down, up = self.pair(x.dtype)
        down = torch.cat((down[:first].detach(), down[first:last]))
        up = torch.cat((up[:, :first].detach(), up[:, first:last]), dim=1)
        return self.add_product(y, x, down, up, self.alpha / last * self.strength)

    @classmethod
    def problem(cls, op: Op, rank: int, init: str, options: DyLoRAOptions | None) -> str | None:
        unit = (options or DyLoRAOptions()).unit
        if rank % unit:
            return f"DyLoRA's unit is {unit}, which does not divide rank {rank}. Use a rank that is a multiple of it."
        return None
