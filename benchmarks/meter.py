"""Seconds a step, and the memory a run holds above the loaded model."""

from __future__ import annotations

import threading
import time
from pathlib import Path


class Meter:
    """Call `step()` after every step. With MALLOC_MMAP_THRESHOLD_=262144 set, freed blocks go back to the system at once,
    so that the peak tells what was live and not what the allocator kept."""

    def __init__(self) -> None:
        self._loaded = anonymous_bytes()
        self._peak = self._loaded
        self._running = True
        self.times = [time.perf_counter()]
        self.cpu = [time.process_time()]
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def step(self) -> None:
        self.times.append(time.perf_counter())
        self.cpu.append(time.process_time())

    def result(self, warm_up: int) -> dict:
        """Median seconds of the steps after the warm-up, the peak above the loaded model in MiB, and how busy the cores
        were (below 1.7 of 2 the machine was shared, and the time means nothing)."""
        self._running = False
        self._thread.join()
        seconds = sorted(b - a for a, b in zip(self.times[warm_up:], self.times[warm_up + 1 :], strict=False))
        wall = self.times[-1] - self.times[warm_up]
        return {
            "seconds": seconds[len(seconds) // 2],
            "extra_mib": (self._peak - self._loaded) / 2**20,
            "busy": (self.cpu[-1] - self.cpu[warm_up]) / wall,
        }

    def _watch(self) -> None:
        while self._running:
            self._peak = max(self._peak, anonymous_bytes())
            time.sleep(0.01)


def anonymous_bytes() -> int:
    """Memory of this process that no file backs."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024
    raise OSError("this system does not tell RssAnon; the benchmark runs on Linux")
