"""The products of a CPU's backward in fp32, each made the way that is fastest there.

torch has matrices multiplied by MKL and convolutions by oneDNN, which first copies the weight into an order of its own. Where a picture
has few places that copy takes longer than the sums, and more memory than anything else in a step: there the gradient is multiplied by
the weight as it lies, and folded. And oneDNN multiplies matrices as well. Forward is ComfyUI's own, to the bit.

Nothing here records a gradient.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

FEW = 4
"""Places, times this, that are few beside the channels that come out."""

_by_onednn: Any = getattr(torch.ops.mkldnn, "_linear_pointwise", None) if torch.backends.mkldnn.is_available() else None
"""An operation that torch's compiler makes use of; MKL stands in where a torch has it not."""


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x (..., in), weight (out, in), bias (out,) -> (..., out), as F.linear."""
    if _by_onednn is None or not _is_ours(x, weight) or not x.numel():
        return F.linear(x, weight, bias)
    return _by_onednn(x, weight, bias, "none", [], "")


def convolution_gradient(grad: Tensor, shape: torch.Size, weight: Tensor, stride: Any, padding: Any, dilation: Any) -> Tensor | None:
    """That of x (`shape`), from the gradient of what came out; None where torch's own way is the fastest."""
    if not (_is_ours(grad, weight) and grad.ndim == 4 and _are_few(grad.numel() // grad.shape[1], weight)):
        return None
    rows = grad.flatten(2).transpose(1, 2).contiguous()
    unfolded = product(rows, weight.flatten(1).t()).transpose(1, 2)
    return F.fold(unfolded, tuple(shape[2:]), tuple(weight.shape[2:]), dilation=dilation, padding=padding, stride=stride)


def _is_ours(x: Tensor, weight: Tensor) -> bool:
    return x.dtype is weight.dtype is torch.float32 and x.device.type == weight.device.type == "cpu"


def _are_few(places: int, weight: Tensor) -> bool:
    return FEW * places <= weight.shape[0]


def _places(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (tuple(value) * 2)[:2]
