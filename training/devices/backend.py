"""Torch's own module for a device, and what the device has and lacks: its numbers, its generators.

NVIDIA and AMD are torch.cuda, Intel torch.xpu, Apple torch.mps; DirectML, as 'privateuseone', has no module at all.
"""

from __future__ import annotations

from functools import lru_cache
from types import ModuleType

import torch
from torch import Generator, Tensor

#: Without numbers of 64 bits, or not on every card.
_NARROW = ("mps", "privateuseone")
#: Where every write to a lazy clone is seen; 'meta' holds nothing that could be written to.
_SHARING = ("cpu", "cuda", "meta")


def backend(device: torch.device) -> ModuleType | None:
    """torch's module for it; None for the CPU, and where torch knows the device by name only."""
    return None if device.type == "cpu" else getattr(torch, device.type, None)


@lru_cache
def has_float64(device: torch.device) -> bool:
    if device.type == "xpu":  # Arc of the first series has none
        return bool(getattr(torch.xpu.get_device_properties(device), "has_fp64", False))
    return device.type not in _NARROW


def in_float64(tensor: Tensor) -> Tensor:
    """On its own device, or where that has no float64 on the CPU."""
    return tensor.double() if has_float64(tensor.device) else tensor.cpu().double()


def copies_on_write(device: torch.device) -> bool:
    """Whether `torch._lazy_clone` is a clone there, whatever is written to."""
    return device.type in _SHARING


def generator_on(device: torch.device, seed: int) -> Generator:
    """A fresh one: on the device, or where that has none of its own on the CPU."""
    return Generator(device if _has_generator(device) else "cpu").manual_seed(seed)


@lru_cache
def _has_generator(device: torch.device) -> bool:
    try:
        Generator(device)
    except RuntimeError:
        return False
    return True
