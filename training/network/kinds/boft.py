"""BOFT: OFT with the rotation as a product of butterfly factors, so that every channel meets every other
(Liu et al. 2024, eq. 2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...ops import Op
from .adapter import Base, Elsewhere, algorithm
from .lycoris_algebra import functional, plain
from .oft import OFT
from .options import Options


@algorithm("boft")
class BOFT(OFT):
    """`rank` is the largest block size; the output channels must be an even block size times a power of two."""

    elsewhere = Elsewhere.lycoris("boft")

    def make(self, generator: torch.Generator) -> None:
        algebra = functional("boft", self.algorithm)
        self.limit = self.options.constraint * self.op.out_features
        blocks, _ = algebra.weight_gen(torch.empty(self.op.weight_shape, device="meta"), self.rank)
        self.oft_blocks = nn.Parameter(blocks)
        self._rotation = functional("diag_oft", self.algorithm).get_r
        self._diff_weight = plain(algebra.diff_weight)

    def adapted(self, x: Tensor, base: Base) -> Tensor:
        y = base.run(x)
        return y + self._turned(self.without_bias(y, base)) * self.strength

    def _turned(self, y: Tensor) -> Tensor:
        """R y - y: stage i mixes channels that lie 2^i half-blocks apart. At another strength ComfyUI moves every
        factor towards the identity, and scales the result as well."""
        stages, _, size, _ = self.oft_blocks.shape
        factors = self._rotation(self.oft_blocks, None, self.limit)
        factors = torch.lerp(torch.eye(size, device=y.device).expand_as(factors), factors, self.strength).to(y.dtype)
        last = y.movedim(self.op.channel_axis, -1)
        turned = last
        for i in range(stages):
            stride = 2**i * size // 2
            turned = turned.unflatten(-1, (-1, 2, stride)).transpose(-2, -1).flatten(-3).unflatten(-1, (-1, size))
            turned = torch.einsum("bij,...bj->...bi", factors[i], turned)
            turned = turned.flatten(-2).unflatten(-1, (-1, stride, 2)).transpose(-2, -1).flatten(-3)
        turned = turned - last
        return turned.movedim(-1, self.op.channel_axis)

    @classmethod
    def problem(cls, op: Op, rank: int, init: str, options: Options | None) -> str | None:
        if _divides(op.out_features, rank):
            return None
        least = next((size for size in range(2, op.out_features + 2, 2) if _divides(op.out_features, size)), None)
        if least is None:
            return f"BOFT cannot split {op.out_features} output channels. Exclude the layer."
        return f"BOFT cannot split {op.out_features} output channels into blocks of at most {rank}. Set rank to at least {least}."


def _divides(channels: int, largest: int) -> bool:
    """Whether channels = block x 2^k for an even block of at most `largest`."""
    return any(
        channels % block == 0 and (channels // block).bit_count() == 1 for block in range(2, min(largest, channels) + 1, 2)
    )
