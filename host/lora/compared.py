"""Two of ComfyUI's patches side by side: whether they hold the same, and what they make of the same weight."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import comfy.lora
import torch


def same(patch: Any, other: Any) -> bool:
    """Whether they are of one kind and hold the same numbers bit for bit, in the same dtypes and places."""
    return _kind(patch) == _kind(other) and len(_held(patch)) == len(_held(other)) and all(
        _equal(one, another) for one, another in zip(_held(patch), _held(other), strict=True)
    )


def sort_of(patch: Any) -> Hashable:
    """What decides how `patch` is applied, but for its values: its kind, its shapes, its scale."""
    return _kind(patch), tuple(tuple(part.shape) if isinstance(part, torch.Tensor) else part for part in _held(patch))


def applied(patch: Any) -> torch.Tensor:
    """What `patch` changes of random numbers in a weight of the shape that it was made for."""
    shape = _shape(patch)
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * (shape[1] if len(shape) > 1 else 1) ** -0.5
    return merged(patch, weight.clone()).sub_(weight)


def merged(patch: Any, weight: torch.Tensor) -> torch.Tensor:
    """`weight`, which is written into, with `patch` at strength 1."""
    return comfy.lora.calculate_weight([(1.0, patch, 1.0, None, None)], weight, "read back")


def _kind(patch: Any) -> str:
    return patch[0] if isinstance(patch, tuple) else patch.name


def _held(patch: Any) -> tuple:
    return tuple(patch[1] if isinstance(patch, tuple) else patch.weights)


def _equal(one: Any, another: Any) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(another, torch.Tensor):
        return one.dtype == another.dtype and torch.equal(one, another)
    return not isinstance(one, torch.Tensor) and not isinstance(another, torch.Tensor) and one == another


def _shape(patch: Any) -> tuple[int, ...]:
    """Of the weight that `patch` changes; kernels may be flattened, a rotation's columns are any."""
    parts = _held(patch)
    if isinstance(patch, tuple):  # ("diff", (what is added,))
        return parts[0].shape
    if patch.name == "lora":
        return (parts[0].shape[0], *parts[1].shape[1:])
    if patch.name == "loha":
        return (parts[0].shape[0], parts[1].shape[1])
    if patch.name == "glora":
        return (parts[2].shape[0], *parts[3].shape[1:])
    if patch.name == "lokr":
        w1 = parts[0] if parts[0] is not None else parts[3] @ parts[4]
        w2 = parts[1] if parts[1] is not None else parts[5] @ parts[6].flatten(1)
        return (w1.shape[0] * w2.shape[0], w1.shape[1] * w2.shape[1], *w2.shape[2:])
    return (parts[0].shape[-3] * parts[0].shape[-1], 8)
