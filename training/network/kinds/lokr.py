"""LoKr: dW = (alpha / rank) * kron(W1, W2), W2 of low rank where that is smaller (Yeh et al. 2023, LyCORIS, eq. 8).

A side branch on groups of channels; the Kronecker product itself is never made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .adapter import Adapter, Base, Elsewhere, algorithm
from .lycoris_algebra import drawn, functional, plain
from .options import Options

_PARTS = ("lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b")


@dataclass(frozen=True)
class LoKrOptions(Options):
    """`factor` is the size of W1 (-1: as square as possible; 4 to 16: smaller W1, larger file). `decompose_both` gives
    W1 low rank too. `full_matrix` keeps W2 whole whatever the rank; alpha then means nothing."""

    factor: int = -1
    decompose_both: bool = False
    full_matrix: bool = False

    def problems(self) -> list[str]:
        if self.factor == -1 or self.factor >= 2:
            return []
        return [f"factor is {self.factor} but must be -1 (as square as possible) or at least 2; 8 is usual."]


@algorithm("lokr")
class LoKr(Adapter):
    """The second factor of W2 (or W2 itself) is 0 at the start: no change. Names are the file's."""

    elsewhere = Elsewhere.lycoris("lokr")
    options_type = LoKrOptions
    has_norm = True
    options: LoKrOptions

    def make(self, generator: torch.Generator) -> None:
        options = self.options
        algebra = functional("lokr", self.algorithm)
        shape = torch.empty(self.op.weight_shape, device="meta")
        limit = 10**9 if options.full_matrix else self.rank
        *parts, _ = drawn(
            algebra.weight_gen, generator, shape, limit, tucker=False, factor=options.factor, decompose_both=options.decompose_both,
        )
        for name, value in zip(_PARTS, parts, strict=True):
            setattr(self, name, None if value is None else nn.Parameter(value))
        self._bypass = plain(algebra.bypass_forward_diff)

    @property
    def is_scaled(self) -> bool:
        """Readers scale by alpha / rank only when a part is of low rank."""
        return self.lokr_w1 is None or self.lokr_w2 is None

    def adapted(self, x: Tensor, base: Base) -> Tensor:
        op = self.op
        how = {} if op.is_linear else {"stride": op.stride, "padding": op.padding, "dilation": op.dilation}
        parts = [None if part is None else self.copies(part, x.dtype) for part in self._parts()]
        y = base.run(x)
        return y + self.strength * self._bypass(x, y, *parts, None, gamma=self.alpha, extra_args=how)

    def cast_tensors(self) -> list[Tensor]:
        return [part for part in self._parts() if part is not None]

    def _parts(self) -> list[Tensor | None]:
        return [getattr(self, name) for name in _PARTS]

    def weight_delta(self, base_weight: Tensor | None = None) -> Tensor:
        scale = self.scale if self.is_scaled else 1.0
        w1, w1_a, w1_b, w2, w2_a, w2_b = (None if part is None else part.detach() for part in self._parts())
        return (torch.kron(_matrix(w1, w1_a, w1_b), _matrix(w2, w2_a, w2_b)) * scale).view(self.op.weight_shape)

    def file_tensors(self) -> dict[str, Tensor]:
        tensors = self.named_in_file()
        if "lokr_w2_b" in tensors:
            tensors["lokr_w2_b"] = tensors["lokr_w2_b"].flatten(1)
        if "lokr_w2" in tensors and len(self.op.kernel) != 2:
            tensors["lokr_w2"] = tensors["lokr_w2"].flatten(1)
        return tensors

    def load_file_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        self.load_named(tensors, [next(self.parameters())] if self.is_scaled else [])

    @classmethod
    def rank_of(cls, tensors: Mapping[str, Tensor]) -> int:
        for name in ("lokr_w2_b", "lokr_w1_b"):
            if name in tensors:
                return tensors[name].shape[0]
        return max(tensors["lokr_w2"].shape[:2])


def _matrix(whole: Tensor | None, a: Tensor | None, b: Tensor | None) -> Tensor:
    """W1 or W2, kernels flattened: it is there as a whole, or as the product of `a` and `b`."""
    if whole is not None:
        return whole.flatten(1)
    assert a is not None and b is not None
    return a @ b.flatten(1)
