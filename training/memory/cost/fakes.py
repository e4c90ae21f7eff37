"""What an operation gives on fake tensors, by the shortest way. torch asks some forty questions of every one, looks it up in a table by the
arguments' whole geometry, and imports its compiler for it; nearly all of a step's operations are of kinds that need none of that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, in_kernel_invocation_manager

_ATEN = torch.ops.aten
_VIEWS = ("alias", "as_strided", "detach", "expand", "permute", "select.int", "slice.Tensor", "split.Tensor", "split_with_sizes", "t",
          "transpose.int", "unbind.int", "unsqueeze", "view", "_unsafe_view")
_COMPUTED = (
    "add.Tensor", "addmm", "bmm", "cat", "gelu", "gelu_backward", "mm", "mul.Scalar", "mul.Tensor",
    "silu", "silu_backward", "sub.Tensor",
)
_PLAIN = {getattr(getattr(_ATEN, name), "default" if not overload else overload)
          for name, _, overload in (name.partition(".") for name in (*_VIEWS, *_COMPUTED))} | {_ATEN._lazy_clone.default}
"""Their kernels on `meta` are torch's own, and what they give lies where what they are given lies."""


def at_once(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """What `func` gives; None where torch must be asked the long way."""
    if func not in _PLAIN or kwargs:
        return None
    first = _first(args)
    if first is None or not all(_is_beside(one, first) for one in args):
        return None
    mode, device = first.fake_mode, first.fake_device
    with in_kernel_invocation_manager(mode):
        found = func(*args)
    if isinstance(found, Tensor):
        return FakeTensor(mode, found, device)
    return type(found)(FakeTensor(mode, one, device) for one in found)


def _first(args: Sequence[Any]) -> FakeTensor | None:
    one = args[0][0] if type(args[0]) is list and args[0] else args[0]
    return one if type(one) is FakeTensor else None


def _is_beside(one: Any, first: FakeTensor) -> bool:
    """Whether it is no tensor, or a fake one with no number on the device of the `first`."""
    if isinstance(one, Tensor):
        return type(one) is FakeTensor and one.fake_device == first.fake_device and one.constant is None
    return all(_is_beside(each, first) for each in one) if type(one) is list else True
