"""How much memory the run's device holds: torch's own counters for it, or the process where that is what fills."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import psutil
import torch

from ..devices.backend import backend


@dataclass(frozen=True, kw_only=True)
class Counters:
    """Bytes: held now, held at most (None where torch keeps no record of that), the size of the memory, and what could be had now
    without moving anything (None where nobody says)."""

    held: Callable[[], int]
    peak: Callable[[], int] | None
    total: Callable[[], int]
    in_hand: Callable[[], int] | None


class MemoryMeter:
    """Bytes in use on `device` now, and the most since this meter was made, by whatever can be asked: None where nothing can."""

    def __init__(self, device: torch.device):
        self.device = device
        self._counters = _counters_of(device)
        self._peak = 0

    def now(self) -> int | None:
        return None if self._counters is None else self._counters.held()

    def peak(self) -> int | None:
        """Where torch keeps no record, the most that was held when this was asked."""
        if self._counters is None:
            return None
        self._peak = max(self._peak, (self._counters.peak or self._counters.held)())
        return self._peak

    def total(self) -> int | None:
        """The size of the device's memory."""
        return None if self._counters is None else self._counters.total()

    def in_hand(self) -> int:
        """What could be had now without moving anything; 0 where nobody says."""
        return 0 if self._counters is None or self._counters.in_hand is None else self._counters.in_hand()

    @property
    def keeps_peak(self) -> bool:
        """Whether `peak` is torch's own."""
        return self._counters is not None and self._counters.peak is not None


def _counters_of(device: torch.device) -> Counters | None:
    if device.type == "cpu":
        return Counters(held=lambda: psutil.Process().memory_info().rss, peak=None, total=_main_memory, in_hand=_free_main_memory)
    if device.type == "mps":
        return Counters(held=torch.mps.driver_allocated_memory, peak=None, total=_of_apple,
                        in_hand=lambda: _of_apple() - torch.mps.driver_allocated_memory())
    torch_s = backend(device)
    if torch_s is None or not hasattr(torch_s, "memory_reserved"):
        return None
    torch_s.reset_peak_memory_stats(device)
    return Counters(
        held=lambda: torch_s.memory_reserved(device), peak=lambda: torch_s.max_memory_reserved(device),
        total=lambda: torch_s.get_device_properties(device).total_memory,
        in_hand=(lambda: _in_hand(torch_s, device)) if hasattr(torch_s, "mem_get_info") else None,
    )


def _in_hand(torch_s: ModuleType, device: torch.device) -> int:
    """What torch has taken and nobody holds, and what the driver has left."""
    return torch_s.memory_reserved(device) - torch_s.memory_allocated(device) + torch_s.mem_get_info(device)[0]


def _free_main_memory() -> int:
    return psutil.virtual_memory().available


def _main_memory() -> int:
    return psutil.virtual_memory().total


def _of_apple() -> int:
    """As much of the common memory as the system lets a program use for graphics; older torch does not know it."""
    recommended = getattr(torch.mps, "recommended_max_memory", None)
    return recommended() if recommended else _main_memory()
