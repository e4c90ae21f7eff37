"""How much memory the run's device holds: the accelerator's own counters, or the process on a CPU."""

from __future__ import annotations

import psutil
import torch


class MemoryMeter:
    """Bytes in use on `device` now, and the most since this meter was made (sampled on a CPU)."""

    def __init__(self, device: torch.device):
        self._device = device
        self._process = psutil.Process()
        self._peak = 0
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

    def now(self) -> int:
        if self._device.type == "cuda":
            return torch.cuda.memory_reserved(self._device)
        return self._process.memory_info().rss

    def peak(self) -> int:
        if self._device.type == "cuda":
            return torch.cuda.max_memory_reserved(self._device)
        self._peak = max(self._peak, self.now())
        return self._peak

    def total(self) -> int:
        """The size of the device's memory."""
        if self._device.type == "cuda":
            return torch.cuda.get_device_properties(self._device).total_memory
        return psutil.virtual_memory().total
