"""LoHa: dW = (alpha / rank) * (A1 B1) * (A2 B2), elementwise: rank up to rank^2 from 2 x rank numbers a row and column
(Hyeon-Woo et al. 2022, FedPara, prop. 1)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from .adapter import Adapter, Base, Elsewhere, algorithm
from .lycoris_algebra import drawn, functional, plain
from .made_delta import made_delta


@algorithm("loha")
class LoHa(Adapter):
    """w1_a = 0, the others normal, as in LyCORIS: the adapter starts as no change. Names are the file's."""

    elsewhere = Elsewhere.lycoris("loha")
    rank_in_file = ("hada_w1_b", 0)
    has_norm = True

    def make(self, generator: torch.Generator) -> None:
        algebra = functional("loha", self.algorithm)
        flat = torch.empty(self.op.weight_shape, device="meta").flatten(1)
        w1_b, w1_a, w2_b, w2_a, _, _ = drawn(algebra.weight_gen, generator, flat, self.rank, tucker=False)
        self.hada_w1_a, self.hada_w1_b = nn.Parameter(w1_a), nn.Parameter(w1_b)
        self.hada_w2_a, self.hada_w2_b = nn.Parameter(w2_a), nn.Parameter(w2_b)
        self._diff_weight = plain(algebra.diff_weight)

    def adapted(self, x: Tensor, base: Base) -> Tensor:
        return base.run(x) + self.strength * made_delta(x, self.op, self._delta, tuple(self.parameters()))

    def _delta(self) -> Tensor:
        gamma = torch.tensor(self.scale)  # on the CPU, where it lies: a card takes it along with the launch
        parts = (self.hada_w1_b, self.hada_w1_a, self.hada_w2_b, self.hada_w2_a, None, None)
        return self._diff_weight(*parts, gamma=gamma).view(self.op.weight_shape)

    def weight_delta(self, base_weight: Tensor | None = None) -> Tensor:
        return self._delta().detach()

    def file_tensors(self) -> dict[str, Tensor]:
        return self.named_in_file()

    def load_file_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        self.load_named(tensors, (self.hada_w1_a,))
