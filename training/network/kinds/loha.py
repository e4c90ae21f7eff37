"""LoHa: dW = (alpha / rank) * (A1 B1) * (A2 B2), elementwise: rank up to rank^2 from 2 x rank numbers a row and column
(Hyeon-Woo et al. 2022, FedPara, prop. 1)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ...ops import Op
from .adapter import Adapter, Base, adapters
from .lycoris_algebra import drawn, functional, plain
from .made_delta import made_delta


@adapters.register("loha")
class LoHa(Adapter):
    """w1_a = 0, the others normal, as in LyCORIS: the adapter starts as no change. Names are the file's."""

    algorithm = "loha"
    has_norm = True

    def __init__(self, op: Op, rank: int, alpha: float, *, generator: torch.Generator, init: str = "default", options: Any = None):
        super().__init__(op, rank, alpha)
        algebra = functional("loha", self.algorithm)
        flat = torch.empty(op.out_features, op.in_features * math.prod(op.kernel), device="meta")
        w1_b, w1_a, w2_b, w2_a, _, _ = drawn(algebra.weight_gen, generator, flat, rank, tucker=False)
        self.hada_w1_a, self.hada_w1_b = nn.Parameter(w1_a), nn.Parameter(w1_b)
        self.hada_w2_a, self.hada_w2_b = nn.Parameter(w2_a), nn.Parameter(w2_b)
        self._diff_weight = plain(algebra.diff_weight)

    def adapted(self, x: Tensor, base: Base) -> Tensor:
        return base.run(x) + self.strength * made_delta(x, self.op, self._delta, tuple(self.parameters()))

    def _delta(self) -> Tensor:
        gamma = torch.tensor(self.scale, device=self.hada_w1_a.device)
        parts = (self.hada_w1_b, self.hada_w1_a, self.hada_w2_b, self.hada_w2_a, None, None)
        return self._diff_weight(*parts, gamma=gamma).view(self.op.weight_shape)

    def weight_delta(self, base_weight: Tensor | None = None) -> Tensor:
        return self._delta().detach()

    def norm(self) -> Tensor:
        return self.weight_delta().norm()

    def shrink(self, ratio: float) -> None:
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.mul_(ratio**0.25)

    def file_tensors(self) -> dict[str, Tensor]:
        return {**{name: p.detach() for name, p in self.named_parameters()}, "alpha": torch.tensor(self.alpha)}

    def load_file_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        given = float(tensors["alpha"]) / self.rank if "alpha" in tensors else 1.0
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                parameter.copy_(tensors[name].reshape(parameter.shape))
            self.hada_w1_a.mul_(given / self.scale)

    @classmethod
    def rank_of(cls, tensors: Mapping[str, Tensor]) -> int:
        return tensors["hada_w1_b"].shape[0]
