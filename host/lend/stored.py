"""Weights in the bytes that they are stored in: plain tensors, ComfyUI's quantised ones (numbers and scales), packed ones of GGUF."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .borrow import alias


def parts_of(tensor: Tensor) -> list[Tensor]:
    """The plain tensors that it is stored in."""
    if _is_made_of_parts(tensor):
        return [getattr(tensor, name) for name in _names(tensor)[0]]
    return [alias(tensor)]


def moved(tensor: Tensor, device: torch.device, *, non_blocking: bool) -> Tensor:
    """The same on `device`, as it is stored, with what ComfyUI has noted on it. No copy where it lies there."""
    if _is_made_of_parts(tensor):
        # Part by part: ComfyUI's own way of moving it waits for the device.
        names, context = _names(tensor)
        parts = {name: getattr(tensor, name).to(device, non_blocking=non_blocking) for name in names}
        kind: Any = type(tensor)
        return kind.__tensor_unflatten__(parts, context, tensor.size(), tensor.stride())
    copy = tensor.to(device, non_blocking=non_blocking)
    if copy is not tensor and type(copy) is Tensor:
        vars(copy).update(vars(tensor))
    return copy


def _is_made_of_parts(tensor: Any) -> bool:
    return hasattr(tensor, "__tensor_flatten__")


def _names(tensor: Any) -> tuple[list[str], Any]:
    return tensor.__tensor_flatten__()
