"""(IA)^3: one trained number a channel, W' = diag(1 + w) W on the outputs, or W diag(1 + w) on the inputs
(Liu et al. 2022, section 3.3).

ComfyUI has no adapter for IA3's own keys. Scaling rows or columns is what DoRA's magnitude does, so the file holds a LoRA
of rank 1 that is zero and a dora_scale of norm * (1 + w): ComfyUI computes exactly W' from it. Scales on the inputs load
in every program that reads dora_scale; scales on the outputs in those that tell the axis by its shape, as ComfyUI does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .adapter import Adapter, Base, Elsewhere, algorithm
from .options import Options

_EPS = torch.finfo(torch.float32).eps


@dataclass(frozen=True)
class IA3Options(Options):
    """`on_input` scales what goes into each layer instead of what comes out."""

    on_input: bool = False


@algorithm("ia3")
class IA3(Adapter):
    """`weight` (out,) or (in,) starts at 0: no change."""

    elsewhere = Elsewhere.lycoris("ia3")
    options_type = IA3Options
    uses_rank = uses_alpha = False
    depends_on_base = True
    options: IA3Options
    base_norm: Tensor

    def make(self, generator: torch.Generator) -> None:
        channels = self.op.in_features if self.options.on_input else self.op.out_features
        self.weight = nn.Parameter(torch.zeros(channels))
        self.register_buffer("base_norm", torch.ones(channels))

    @property
    def needs_base(self) -> bool:
        return True

    def prepare(self, base_weight: Tensor) -> None:
        channels_first = base_weight.transpose(0, 1) if self.options.on_input else base_weight
        self.base_norm.copy_(channels_first.flatten(1).norm(dim=1))

    def adapted(self, x: Tensor, base: Base) -> Tensor:
        gain = self.op.per_channel(self.strength * self.weight).to(x.dtype)
        if self.options.on_input:
            return base.run(x + x * gain)
        y = base.run(x)
        return y + gain * self.without_bias(y, base)

    def weight_delta(self, base_weight: Tensor | None = None) -> Tensor:
        """What a reader of the file makes of `base_weight`: rows or columns of the lengths that the file holds."""
        assert base_weight is not None
        weight = base_weight.float()
        lengths = (weight.transpose(0, 1) if self.options.on_input else weight).flatten(1).norm(dim=1) + _EPS
        return weight * self._along_the_axis(self._lengths() / lengths - 1)

    def _lengths(self) -> Tensor:
        return (1 + self.weight.detach()) * (self.base_norm + _EPS)

    def _along_the_axis(self, values: Tensor) -> Tensor:
        """`values` (channels,) in the shape that scales the rows or the columns of the weight."""
        return values.view(*(1, -1) if self.options.on_input else (-1, 1), *self.op.ones)

    def file_tensors(self) -> dict[str, Tensor]:
        op, device = self.op, self.weight.device
        return {
            "lora_down.weight": torch.zeros(1, op.in_features, *op.kernel, device=device),
            "lora_up.weight": torch.zeros(op.out_features, 1, *op.ones, device=device),
            "alpha": torch.tensor(1.0),
            "dora_scale": self._along_the_axis(self._lengths()),
        }

    def load_file_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        lengths = tensors["dora_scale"].flatten().to(self.weight)
        with torch.no_grad():
            self.weight.copy_(lengths / (self.base_norm + _EPS) - 1)

    @classmethod
    def rank_of(cls, tensors: Mapping[str, Tensor]) -> int:
        return 1
