"""GLoRA: W' = W + s (W A + B) with A = a1 a2 and B = b1 b2 of low rank, s = alpha / rank (Chavan et al. 2023, eq. 5).

A side branch: W' x = W (x + s A x) + s B x; neither product is made.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ...ops import Op
from .adapter import Adapter, Base, Elsewhere, algorithm
from .initial import kaiming
from .options import Options


@algorithm("glora")
class GLoRA(Adapter):
    """a1 (in, r), a2 (r, in), b1 (out, r), b2 (r, in, *kernel), 1x1 on convolutions; names and layout are LyCORIS's.

    a2 and b2 start at 0: no change.
    """

    elsewhere = Elsewhere.lycoris("glora")
    rank_in_file = ("a2.weight", 0)
    drops_hidden = True
    depends_on_base = True

    def make(self, generator: torch.Generator) -> None:
        op, rank, ones = self.op, self.rank, self.op.ones
        self.a1 = nn.Parameter(torch.empty(op.in_features, rank, *ones))
        self.a2 = nn.Parameter(torch.zeros(rank, op.in_features, *ones))
        self.b1 = nn.Parameter(torch.empty(op.out_features, rank, *ones))
        self.b2 = nn.Parameter(torch.zeros(rank, op.in_features, *op.kernel))
        with torch.no_grad():
            kaiming(self.a1, generator)
            kaiming(self.b1, generator)

    def adapted(self, x: Tensor, base: Base) -> Tensor:
        scale = self.scale * self.strength
        a1, a2, b1, b2 = (self.copies(part, x.dtype) for part in self.cast_tensors())
        moved = x + scale * self.op.mix(self._dropped(self.op.mix(x, a2), "a"), a1)
        inner = self._dropped(self.op.run(x, b2), "b")
        return base.run(moved) + scale * self.op.mix(inner, b1)

    def cast_tensors(self) -> list[Tensor]:
        return [self.a1, self.a2, self.b1, self.b2]

    def _dropped(self, hidden: Tensor, branch: str) -> Tensor:
        return self.dropout.apply(hidden, self.op.channel_axis, branch)

    def weight_delta(self, base_weight: Tensor | None = None) -> Tensor:
        assert base_weight is not None
        a1, a2, b1, b2 = (part.detach().flatten(1) for part in (self.a1, self.a2, self.b1, self.b2))
        by_input = torch.einsum("oi...,ij->oj...", base_weight.float(), a1 @ a2)
        return self.scale * (by_input + (b1 @ b2).view(self.op.weight_shape))

    def file_tensors(self) -> dict[str, Tensor]:
        return self.named_in_file(".weight")

    def load_file_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        self.load_named(tensors, (self.a1, self.b1), ".weight")

    @classmethod
    def problem(cls, op: Op, rank: int, init: str, options: Options | None) -> str | None:
        if rank == op.in_features == op.out_features:
            return f"rank {rank} equals the layer's width, which readers of GLoRA take for its old format. Use a smaller rank."
        return None
