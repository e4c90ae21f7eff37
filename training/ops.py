"""Which modules of a model can carry an adapter, and what their weights look like.

ComfyUI's layers are not all torch's own classes (quantised ones are plain modules), so a module is judged by
what it has, not by its class.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Op:
    """A linear or convolution: weight (out, in) or (out, in, *kernel).

    stride, padding and dilation are empty for a linear.
    """

    kind: str  # 'linear', 'conv1d', 'conv2d', 'conv3d'
    out_features: int
    in_features: int
    kernel: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    padding: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()

    @property
    def is_linear(self) -> bool:
        return self.kind == "linear"

    @property
    def is_pointwise(self) -> bool:
        """A 1x1 convolution is a linear in all but layout; kohya gives it the linear rank."""
        return all(k == 1 for k in self.kernel)

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return (self.out_features, self.in_features, *self.kernel)


def op_of(module: nn.Module) -> Op | None:
    """What `module` computes, or None when no adapter can sit on it."""
    weight = getattr(module, "weight", None)
    if weight is None or isinstance(module, (nn.Embedding, nn.modules.conv._ConvTransposeNd)):
        return None
    if isinstance(module, nn.modules.conv._ConvNd):
        if module.groups != 1 or isinstance(module.padding, str) or module.padding_mode != "zeros":
            return None
        kind = f"conv{len(module.kernel_size)}d"
        return Op(kind, module.out_channels, module.in_channels, tuple(module.kernel_size),
                  tuple(module.stride), tuple(module.padding), tuple(module.dilation))
    if hasattr(module, "in_features") and hasattr(module, "out_features") and len(_shape(weight)) == 2:
        return Op("linear", module.out_features, module.in_features)
    return None


def named_ops(root: nn.Module) -> Iterator[tuple[str, nn.Module, Op]]:
    """(dotted path, module, op) of every module below `root` that can carry an adapter, in order."""
    for name, module in root.named_modules():
        op = op_of(module)
        if op is not None and name:
            yield name, module, op


def _shape(weight: "torch.Tensor") -> tuple[int, ...]:
    return tuple(weight.shape)
