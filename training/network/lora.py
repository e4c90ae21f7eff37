"""LoRA: W' x = W x + (alpha / rank) * up(down(x)), a side branch; W + dW is never made (Hu et al. 2021, eq. 3).

On a convolution `down` keeps the kernel, stride and padding and `up` is 1x1 (kohya's LoCon, Yeh et al. 2023).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .adapter import Adapter, Base, adapters
from .ops import Op

_CONV = {"conv1d": F.conv1d, "conv2d": F.conv2d, "conv3d": F.conv3d}


@adapters.register("lora")
class LoRA(Adapter):
    """down ~ kaiming uniform (a = sqrt 5), up = 0: the adapter starts as no change."""

    algorithm = "lora"

    def __init__(self, op: Op, rank: int, alpha: float, *, generator: torch.Generator):
        super().__init__(op, rank, alpha)
        ones = (1,) * len(op.kernel)
        bound = 1 / math.sqrt(op.in_features * math.prod(op.kernel))
        down = torch.empty(rank, op.in_features, *op.kernel).uniform_(-bound, bound, generator=generator)
        self.down = nn.Parameter(down)
        self.up = nn.Parameter(torch.zeros(op.out_features, rank, *ones))

    def forward(self, x: Tensor, base: Base) -> Tensor:
        y = base.run(x)
        if not self.enabled:
            return y
        down, up = self.down.to(x.dtype), self.up.to(x.dtype)
        scale = self.scale * self.strength
        if self.op.is_linear:
            hidden = F.linear(x, down)
            added = torch.addmm(
                y.reshape(-1, y.shape[-1]), hidden.reshape(-1, self.rank), up.t(), alpha=scale
            )
            return added.view(y.shape)
        conv = _CONV[self.op.kind]
        hidden = conv(x, down, None, self.op.stride, self.op.padding, self.op.dilation)
        return torch.add(y, conv(hidden, up), alpha=scale)

    def weight_delta(self, base_weight: Tensor | None = None) -> Tensor:
        delta = self.up.detach().flatten(1) @ self.down.detach().flatten(1)
        return (delta * self.scale).view(self.op.weight_shape)

    def file_tensors(self) -> dict[str, Tensor]:
        return {
            "lora_down.weight": self.down.detach(),
            "lora_up.weight": self.up.detach(),
            "alpha": torch.tensor(self.alpha),
        }

    def load_file_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            self.down.copy_(tensors["lora_down.weight"].reshape(self.down.shape))
            self.up.copy_(tensors["lora_up.weight"].reshape(self.up.shape))
        if "alpha" in tensors:
            self.alpha = float(tensors["alpha"])
