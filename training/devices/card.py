"""What the driver says of the card: how much of it is used, by whomever.

The system's own counters know most (Windows), then NVIDIA's, then what torch asks of the driver.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

import torch

from ..errors import Contained
from . import nvml, windows
from .backend import backend


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Bytes. `used` is what all programs have on the card together; `ours` what this one has there and `shared` what it has in
    main memory for the card, None where the system does not say."""

    used: int
    ours: int | None = None
    shared: int | None = None

    def others(self, held: int) -> int:
        """What other programs have on the card, where this one holds `held`: what the driver needs for either counts as theirs
        unless the system tells programs apart."""
        return max(0, self.used - (held if self.ours is None else self.ours))

    def moved(self, held: int) -> int:
        """How much of `held` does not lie on the card, at least."""
        if self.ours is None:
            return max(0, held - self.used)
        away = max(0, held - self.ours)
        return away if self.shared is None else min(away, self.shared)


Source = Callable[[], Reading]


class Card:
    """`read()` is cheap (well below a millisecond) and waits for nothing. None where nobody can say, as on a CPU."""

    def __init__(self, device: torch.device):
        self._sources = [source for find in (_of_windows, _of_nvml, _of_torch) if (source := _found(find, device)) is not None]

    def read(self) -> Reading | None:
        """Of the first source that can; one that fails is not asked again."""
        while self._sources:
            with Contained() as trouble:
                return self._sources[0]()
            if trouble.error is not None:
                self._sources.pop(0)
        return None


def _found(find: Callable[[torch.device], Source | None], device: torch.device) -> Source | None:
    """None where there is none, for whatever reason: a library that is missing or too old, a driver that does not answer."""
    with Contained():
        return find(device)
    return None


def _of_windows(device: torch.device) -> Source | None:
    if sys.platform != "win32" or device.type == "cpu":
        return None
    counters = windows.Counters()

    def read() -> Reading:
        used, ours, shared = counters.memory(os.getpid())
        return Reading(used=used, ours=ours, shared=shared)

    return read


def _of_nvml(device: torch.device) -> Source | None:
    if device.type != "cuda" or torch.version.cuda is None:
        return None
    used = nvml.used_on(torch.cuda.get_device_properties(device))
    return lambda: Reading(used=used())


def _of_torch(device: torch.device) -> Source | None:
    ask = getattr(backend(device), "mem_get_info", None)
    if ask is None:
        return None

    def read() -> Reading:
        free, total = ask(device)
        return Reading(used=total - free)

    return read
