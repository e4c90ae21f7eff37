"""From main memory to a card while the host goes on.

A plain `.to(card)` makes the host wait until the card has done all that it was given before, a whole micro-batch maybe. From pinned
memory, which the card reads by itself, it does not; where there is none, or the device shares the main memory, it is a plain `.to`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .backend import backend


def uploaded(tensor: Tensor, device: torch.device) -> Tensor:
    """`tensor` on `device`; itself where it is there already."""
    if tensor.device.type != "cpu" or not reads_main_memory(device):
        return tensor.to(device)
    return pinned(tensor, device).to(device, non_blocking=True)


def pinned(tensor: Tensor, device: torch.device) -> Tensor:
    """A copy that `device` can read by itself; `tensor` where there is no such thing, or none left."""
    if tensor.device.type != "cpu" or not reads_main_memory(device):
        return tensor
    try:
        return tensor.pin_memory()
    except RuntimeError:  # the system's limit
        return tensor


def reads_main_memory(device: torch.device) -> bool:
    """Whether it is a card with memory of its own that torch can reach: it reads pinned memory without the host."""
    module = backend(device)
    return module is not None and device.type != "mps" and hasattr(module, "is_available") and module.is_available()
