"""OFT: W' = R W with a block-diagonal rotation R of the output channels (Qiu et al. 2023, eq. 1).

R = (I + Q)(I - Q)^-1 with Q = B - B^T (Cayley). On the output: R(W x) + b = y + (R - I)(y - b), so no weight is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...ops import Op
from .adapter import Adapter, Base, Elsewhere, algorithm
from .lycoris_algebra import functional, plain
from .options import Options


@dataclass(frozen=True)
class OFTOptions(Options):
    """`constraint` > 0 bounds the norm of Q by constraint x output channels: smaller turns."""

    constraint: float = 0.0

    def problems(self) -> list[str]:
        if self.constraint >= 0:
            return []
        return [f"constraint is {self.constraint} but must be at least 0 (0: none); 1e-4 to 1e-2 are usual."]


def block_size(channels: int, largest: int) -> int:
    """The largest divisor of `channels` that is at most `largest`."""
    return next(size for size in range(min(largest, channels), 0, -1) if channels % size == 0)


@algorithm("oft")
class OFT(Adapter):
    """`rank` is the largest block size. B = 0 at the start: no turn. The file's alpha is the bound on the norm of Q."""

    elsewhere = Elsewhere.lycoris("diag-oft")
    rank_in_file = ("oft_blocks", -1)
    options_type = OFTOptions
    uses_alpha = False
    depends_on_base = True
    options: OFTOptions

    def make(self, generator: torch.Generator) -> None:
        algebra = functional("diag_oft", self.algorithm)
        channels = self.op.out_features
        self.limit = self.options.constraint * channels
        size = block_size(channels, self.rank)
        self.oft_blocks = nn.Parameter(torch.zeros(channels // size, size, size))
        self._rotation = algebra.get_r
        self._diff_weight = plain(algebra.diff_weight)

    def adapted(self, x: Tensor, base: Base) -> Tensor:
        y = base.run(x)
        return y + self._turned(self.without_bias(y, base)) * self.strength**2

    def _turned(self, y: Tensor) -> Tensor:
        """(R - I) y on the channels. ComfyUI applies the strength twice to a rotation, hence its square above."""
        number, size, _ = self.oft_blocks.shape
        turn = self._rotation(self.oft_blocks, None, self.limit) - torch.eye(size, device=y.device)
        blocks = y.movedim(self.op.channel_axis, -1).unflatten(-1, (number, size))
        turned = torch.einsum("knm,...kn->...km", turn.to(y.dtype), blocks).flatten(-2)
        return turned.movedim(-1, self.op.channel_axis)

    def weight_delta(self, base_weight: Tensor | None = None) -> Tensor:
        assert base_weight is not None
        return self._diff_weight(base_weight.float(), self.oft_blocks.detach(), None, constraint=self.limit)

    def file_tensors(self) -> dict[str, Tensor]:
        return {"oft_blocks": self.oft_blocks.detach(), "alpha": torch.tensor(self.limit)}

    def load_file_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            self.oft_blocks.copy_(tensors["oft_blocks"])
        self.limit = float(tensors.get("alpha", 0.0))

    @classmethod
    def problem(cls, op: Op, rank: int, init: str, options: Options | None) -> str | None:
        if block_size(op.out_features, rank) > 1:
            return None
        return (
            f"OFT cannot split {op.out_features} output channels into blocks of 2 to {rank}. "
            "Set rank to one of their divisors, or exclude the layer."
        )
