"""What an operation takes while it computes and gives back before it ends: memory that no tensor shows; and its FLOPs.

oneDNN, which computes a CPU's convolutions, copies what it is given and what it makes into the order that its kernels want: 112.5 MiB of a
single weight of SD1.5 in its backward, which `devices/products.py` therefore makes otherwise where pictures are small. What a card's
libraries take, nobody says before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import flop_registry

_ATEN = torch.ops.aten
_BACKEND = torch._C._ConvBackend  # pyright: ignore[reportAttributeAccessIssue]
_UNFOLDED = {_BACKEND.Slow2d, _BACKEND.SlowDilated2d, _BACKEND.Slow3d, _BACKEND.SlowDilated3d}


def scratch(func: Callable, args: Sequence[Any], found: Any, device: str) -> int:
    """Bytes, beside what it is given and what it has `found`; `device` is the type of it."""
    rule = _ON_CPU.get(func) if device == "cpu" else None
    return 0 if rule is None else rule(args, found)


def flops(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], found: Any) -> int:
    """By torch's own formulas, two for a multiplication and a sum."""
    if func._schema.name == "mkldnn::_linear_pointwise":  # see devices/products.py; torch has no formula of it
        return 2 * found.numel() * args[1].shape[1]
    formula = flop_registry.get(func._overloadpacket)
    return 0 if formula is None else formula(*args, **kwargs, out_val=found)


def _convolution(args: Sequence[Any], found: Tensor) -> int:
    given, weight = args[:2]
    backend = _backend(*args[:9])
    if backend == _BACKEND.Mkldnn:
        return given.nbytes + weight.nbytes
    seen = math.prod(weight.shape[2:])
    return found.nbytes // weight.shape[0] * weight.shape[1] * seen if backend in _UNFOLDED and seen > 1 else 0


def _convolution_backward(args: Sequence[Any], found: Any) -> int:
    gradient, given, weight, _, *how, wanted = args
    if _backend(given, weight, None, *how) != _BACKEND.Mkldnn:
        return 0
    return gradient.nbytes + (given.nbytes if wanted[1] else weight.nbytes)


def _backend(given: Tensor, weight: Tensor, bias: Tensor | None, *how: Any) -> Any:
    """What torch would compute the convolution with."""
    return torch._C._select_conv_backend(given, weight, bias, *how, None)  # pyright: ignore[reportAttributeAccessIssue]


def _attention_backward(args: Sequence[Any], found: Any) -> int:
    """The product of the result and its gradient."""
    return args[4].nbytes


_ON_CPU: Mapping[Any, Callable[[Sequence[Any], Any], int]] = {
    _ATEN.convolution.default: _convolution,
    _ATEN.convolution_backward.default: _convolution_backward,
    _ATEN._scaled_dot_product_flash_attention_for_cpu_backward.default: _attention_backward,
}
