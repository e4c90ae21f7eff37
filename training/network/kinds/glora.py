"""GLoRA: W' = W + s (W A + B) with A = a1 a2 and B = b1 b2 of low rank, s = alpha / rank (Chavan et al. 2023, eq. 5).

A side branch: W' x = W (x + s A x) + s B x; neither product is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...ops import Op
from .adapter import Adapter, Base, adapters
from .initial import kaiming

_CONV = {"conv1d": F.conv1d, "conv2d": F.conv2d, "conv3d": F.conv3d}


@adapters.register("glora")
class GLoRA(Adapter):
    """a1 (in, r), a2 (r, in), b1 (out, r), b2 (r, in, *kernel), 1x1 on convolutions; names and layout are LyCORIS's.

    a2 and b2 start at 0: no change.
    """

    algorithm = "glora"
    drops_hidden = True

    def __init__(self, op: Op, rank: int, alpha: float, *, generator: torch.Generator, init: str = "default", options: Any = None):
        super().__init__(op, rank, alpha)
        ones = (1,) * len(op.kernel)
        self.a1 = nn.Parameter(torch.empty(op.in_features, rank, *ones))
        self.a2 = nn.Parameter(torch.zeros(rank, op.in_features, *ones))
        self.b1 = nn.Parameter(torch.empty(op.out_features, rank, *ones))
        self.b2 = nn.Parameter(torch.zeros(rank, op.in_features, *op.kernel))
        with torch.no_grad():
            kaiming(self.a1, generator)
            kaiming(self.b1, generator)

    @property
    def depends_on_base(self) -> bool:
        return True

    def adapted(self, x: Tensor, base: Base) -> Tensor:
        scale = self.scale * self.strength
        a1, a2, b1, b2 = (part.to(x.dtype) for part in (self.a1, self.a2, self.b1, self.b2))
        moved = x + scale * self._through(self._dropped(self._through(x, a2), "a"), a1)
        inner = self._dropped(self._through(x, b2, whole=True), "b")
        return base.run(moved) + scale * self._through(inner, b1)

    def _dropped(self, hidden: Tensor, branch: str) -> Tensor:
        return self.dropout.apply(hidden, -1 if self.op.is_linear else 1, branch)

    def _through(self, x: Tensor, weight: Tensor, *, whole: bool = False) -> Tensor:
        """`weight` on the channels of x; `whole` with the op's own stride, padding and dilation."""
        if self.op.is_linear:
            return F.linear(x, weight)
        how = (self.op.stride, self.op.padding, self.op.dilation) if whole else ()
        return _CONV[self.op.kind](x, weight, None, *how)

    def weight_delta(self, base_weight: Tensor | None = None) -> Tensor:
        assert base_weight is not None
        a1, a2, b1, b2 = (part.detach().flatten(1) for part in (self.a1, self.a2, self.b1, self.b2))
        by_input = torch.einsum("oi...,ij->oj...", base_weight.float(), a1 @ a2)
        return self.scale * (by_input + (b1 @ b2).view(self.op.weight_shape))

    def file_tensors(self) -> dict[str, Tensor]:
        parts = {f"{name}.weight": parameter.detach() for name, parameter in self.named_parameters()}
        return {**parts, "alpha": torch.tensor(self.alpha)}

    def load_file_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        given = float(tensors["alpha"]) / self.rank if "alpha" in tensors else 1.0
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                parameter.copy_(tensors[f"{name}.weight"].reshape(parameter.shape))
            self.a1.mul_(given / self.scale)
            self.b1.mul_(given / self.scale)

    @classmethod
    def rank_of(cls, tensors: Mapping[str, Tensor]) -> int:
        return tensors["a2.weight"].shape[0]

    @classmethod
    def problem(cls, op: Op, rank: int, init: str, options: Any) -> str | None:
        if rank == op.in_features == op.out_features:
            return f"rank {rank} equals the layer's width, which readers of GLoRA take for its old format. Use a smaller rank."
        return None
