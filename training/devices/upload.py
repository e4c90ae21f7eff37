"""From main memory to a card while the host goes on.

A plain `.to(card)` makes the host wait until the card has done all that it was given before, a whole micro-batch maybe. From pinned
memory, which the card reads by itself, it does not; where the device is no card of torch.cuda's, it is a plain `.to`.
"""

from __future__ import annotations

import torch
from torch import Tensor

_WITH_PINNED_MEMORY = ("cuda",)


def uploaded(tensor: Tensor, device: torch.device) -> Tensor:
    """`tensor` on `device`; itself where it is there already."""
    if tensor.device.type != "cpu" or device.type not in _WITH_PINNED_MEMORY:
        return tensor.to(device)
    return pinned(tensor, device).to(device, non_blocking=True)


def pinned(tensor: Tensor, device: torch.device) -> Tensor:
    """A copy that `device` can read by itself; `tensor` where there is no such thing, or none left."""
    if tensor.device.type != "cpu" or device.type not in _WITH_PINNED_MEMORY or not torch.cuda.is_available():
        return tensor
    try:
        return tensor.pin_memory()
    except RuntimeError:  # the system's limit
        return tensor
