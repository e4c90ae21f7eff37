"""A CPU's products in fp32, each made the way that is fastest there.

torch has matrices multiplied by MKL and convolutions by oneDNN, which first copies the weight into an order of its own. Where a picture
has few places that copy takes longer than the sums, and more memory than anything else in a step: there the picture is unfolded, and
multiplied by the weight as it lies. And oneDNN multiplies matrices as well.

Nothing here records a gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

FEW = 4
"""Places, times this, that are few beside the channels that come out."""

_by_onednn: Any = getattr(torch.ops.mkldnn, "_linear_pointwise", None) if torch.backends.mkldnn.is_available() else None
"""An operation that torch's compiler makes use of; MKL stands in where a torch has it not."""


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x (..., in), weight (out, in), bias (out,) -> (..., out), as F.linear."""
    if _by_onednn is None or not _is_ours(x, weight) or not x.numel():
        return F.linear(x, weight, bias)
    return _by_onednn(x, weight, bias, "none", [], "")


def convolution(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Tensor:
    """As F.conv2d."""
    if not (_is_ours(x, weight) and x.ndim == 4 and groups == 1 and not isinstance(padding, str)):
        return F.conv2d(x, weight, bias, stride, padding, dilation, groups)
    high, wide = map(_places, x.shape[2:], weight.shape[2:], _pair(stride), _pair(padding), _pair(dilation))
    if not _are_few(len(x) * high * wide, weight):
        return F.conv2d(x, weight, bias, stride, padding, dilation, groups)
    unfolded = F.unfold(x, tuple(weight.shape[2:]), dilation=dilation, padding=padding, stride=stride)
    made = [product(weight.flatten(1), one.t()) for one in unfolded]
    together = (made[0] if len(x) == 1 else torch.stack(made)).view(len(x), -1, high, wide)
    return together if bias is None else together.add_(bias.view(-1, 1, 1))


def convolution_gradient(grad: Tensor, shape: torch.Size, weight: Tensor, stride: Any, padding: Any, dilation: Any) -> Tensor | None:
    """That of x (`shape`), from the gradient of what came out; None where torch's own way is the fastest."""
    if not (_is_ours(grad, weight) and grad.ndim == 4 and _are_few(grad.numel() // grad.shape[1], weight)):
        return None
    rows = grad.flatten(2).transpose(1, 2).contiguous()
    unfolded = product(rows, weight.flatten(1).t()).transpose(1, 2)
    return F.fold(unfolded, tuple(shape[2:]), tuple(weight.shape[2:]), dilation=dilation, padding=padding, stride=stride)


def fast(run: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """`run`, a layer's forward: on a CPU what it multiplies is multiplied as above, where nothing records a gradient."""

    def quickly(x: Tensor) -> Tensor:
        if x.device.type != "cpu" or torch.is_grad_enabled():
            return run(x)
        with _Products():
            return run(x)

    return quickly


class _Products(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        return (_OURS.get(func) or func)(*args, **(kwargs or {}))


_OURS: dict[Callable, Callable] = {F.linear: product, F.conv2d: convolution}


def _is_ours(x: Tensor, weight: Tensor) -> bool:
    return x.dtype is weight.dtype is torch.float32 and x.device.type == weight.device.type == "cpu"


def _are_few(places: int, weight: Tensor) -> bool:
    return FEW * places <= weight.shape[0]


def _places(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (tuple(value) * 2)[:2]
