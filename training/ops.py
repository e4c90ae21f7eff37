"""Which modules of a model can carry an adapter, what their weights look like, and how they compute; and which are norms.

ComfyUI's layers are not all torch's own classes (quantised ones are plain modules), so a module is judged by
what it has, not by its class.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.nn import functional as F

from .devices.products import convolution_gradient, product

#: Tensors whose numbers are their own storage's: not the quantised ones of other libraries. Fake ones stand for any of them.
PLAIN = (Tensor, nn.Parameter, FakeTensor)
_CONVOLUTIONS = {"conv1d": F.conv1d, "conv2d": F.conv2d, "conv3d": F.conv3d}


@dataclass(frozen=True, slots=True)
class Op:
    """A linear, x (..., in) -> (..., out), or convolution, x (B, in, *space) -> (B, out, *space): weight (out, in) or
    (out, in, *kernel). kernel, stride, padding and dilation are empty for a linear.
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

    @property
    def ones(self) -> tuple[int, ...]:
        """The kernel of a 1x1 convolution with as many axes."""
        return (1,) * len(self.kernel)

    @property
    def channel_axis(self) -> int:
        """Of x and of what comes out."""
        return -1 if self.is_linear else 1

    def per_channel(self, values: Tensor) -> Tensor:
        """`values` (channels,) in the shape that meets the channels of x, or of what comes out."""
        return values.view(-1, *self.ones)

    def run(self, x: Tensor, weight: Tensor) -> Tensor:
        """x through `weight` (any, in, *kernel) as this op would, without a bias."""
        if self.is_linear:
            return F.linear(x, weight)
        return _CONVOLUTIONS[self.kind](x, weight, None, self.stride, self.padding, self.dilation)

    def mix(self, x: Tensor, weight: Tensor) -> Tensor:
        """`weight` (any, channels of x, *ones) on the channels of x, place by place."""
        return F.linear(x, weight) if self.is_linear else _CONVOLUTIONS[self.kind](x, weight)

    def gradients(
        self, grad: Tensor, x: Tensor, weight: Tensor, *, of_x: bool, of_weight: bool
    ) -> tuple[Tensor | None, Tensor | None]:
        """Of x and of `weight` in `run(x, weight)`, each None unless asked for. Values of x are only read for the weight's."""
        if self.is_linear:
            grad_weight = grad.reshape(-1, grad.shape[-1]).t() @ x.reshape(-1, x.shape[-1]) if of_weight else None
            return (product(grad, weight.t()) if of_x else None), grad_weight
        if of_x and not of_weight and self.kind == "conv2d":
            grad_x = convolution_gradient(grad, x.shape, weight, self.stride, self.padding, self.dilation)
            if grad_x is not None:
                return grad_x, None
        grad_x, grad_weight, _ = torch.ops.aten.convolution_backward(
            grad, x, weight, None, self.stride, self.padding, self.dilation, False, [0] * len(self.kernel), 1, [of_x, of_weight, False]
        )
        return grad_x, grad_weight


@dataclass(frozen=True, slots=True)
class Norm:
    """A layer that multiplies by one number a channel, weight (channels,), and may add one, bias (channels,)."""

    channels: int
    has_bias: bool


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
    out_features, in_features = getattr(module, "out_features", None), getattr(module, "in_features", None)
    if out_features is not None and in_features is not None and len(weight.shape) == 2:
        return Op("linear", out_features, in_features)
    return None


def named_ops(root: nn.Module) -> Iterator[tuple[str, nn.Module, Op]]:
    """(dotted path, module, op) of every module below `root` that can carry an adapter, in order."""
    for name, module in root.named_modules():
        op = op_of(module)
        if op is not None and name:
            yield name, module, op


def norm_of(module: nn.Module) -> Norm | None:
    """LayerNorm, GroupNorm, RMSNorm, whatever its class; None for every other layer."""
    weight, bias = module._parameters.get("weight"), module._parameters.get("bias")
    if weight is None or weight.ndim != 1 or not weight.is_floating_point():
        return None
    return Norm(weight.shape[0], bias is not None)


def named_norms(root: nn.Module) -> Iterator[tuple[str, nn.Module, Norm]]:
    """(dotted path, module, norm) of every norm with weights of its own below `root`, in order."""
    for name, module in root.named_modules():
        norm = norm_of(module)
        if norm is not None and name:
            yield name, module, norm
