"""One trained number a channel that is added: to a norm's weight and bias, or to the bias of a layer.

No base weight is written. A bias of a linear or convolution is added to what comes out of it. A norm computes with other
values in its place, for as long as the block that it is in computes: some models read a norm's weight themselves, without
calling it. In the file norms are LyCORIS' w_norm and b_norm, biases are diff_b, all of which ComfyUI adds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from ..ops import Norm, Op
from .kinds.adapter import Change

W_NORM, B_NORM, DIFF_B = "w_norm", "b_norm", "diff_b"
OFFSET = "offset"

#: What each of them is added to.
PARAMETERS = {W_NORM: "weight", B_NORM: "bias", DIFF_B: "bias"}

_BIAS = ".bias"


def bias_path(path: str) -> str:
    """Where the network keeps what is added to the bias of the layer at `path`: a place of its own beside the adapter's."""
    return path + _BIAS


def layer_path(path: str) -> str:
    """The layer of either place."""
    return path.removesuffix(_BIAS)


class Offset(Change):
    """Its parameters are called as in the file, (channels,) each, and start at 0: no change."""

    def __init__(self, sizes: Mapping[str, int]):
        super().__init__()
        for name, size in sizes.items():
            self.register_parameter(name, nn.Parameter(torch.zeros(size)))

    @classmethod
    def of_norm(cls, norm: Norm) -> "Offset":
        return cls({W_NORM: norm.channels, **({B_NORM: norm.channels} if norm.has_bias else {})})

    @classmethod
    def of_bias(cls, op: Op) -> "Offset":
        return cls({DIFF_B: op.out_features})

    def shift(self, y: Tensor, op: Op) -> Tensor:
        """What came out of `op`, (..., out) or (B, out, *space), with its bias changed."""
        if not self.enabled:
            return y
        return y + op.per_channel(self.strength * self.get_parameter(DIFF_B)).to(y.dtype)

    def changes(self) -> dict[str, Callable[[Tensor], Tensor]]:
        """Name of a norm's parameter -> what it is made into; differentiable in this offset."""
        return {PARAMETERS[name]: self._adder(own) for name, own in self.named_parameters()} if self.enabled else {}

    def _adder(self, own: Tensor) -> Callable[[Tensor], Tensor]:
        # Layers that compute in another dtype than they are stored in cast by themselves; a sum in fp8 would say nothing.
        return lambda base: (base.to(own) + self.strength * own).to(base.dtype if base.dtype.itemsize > 1 else own.dtype)

    def norm(self) -> Tensor:
        return torch.stack([own.detach().norm() for own in self.parameters()]).norm()

    def shrink(self, ratio: float | Tensor) -> None:
        with torch.no_grad():
            for own in self.parameters():
                own.mul_(ratio)

    def file_tensors(self) -> dict[str, Tensor]:
        return {name: own.detach() for name, own in self.named_parameters()}

    def load_file_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """A file may hold one of a norm's two alone."""
        with torch.no_grad():
            for name, own in self.named_parameters():
                own.copy_(tensors[name]) if name in tensors else own.zero_()
