"""Seconds a step, and the memory a run holds above the loaded model."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path


class Meter:
    """Call `step()` after every step. The peak tells what was live only where freed blocks go back to the system at once
    (`run.alone`)."""

    def __init__(self) -> None:
        self._loaded = anonymous_bytes()
        self._peak = self._loaded
        self._running = True
        self.times, self.own = [time.perf_counter()], [time.process_time()]
        self.others = [used_by_others()]
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def step(self) -> None:
        self.times.append(time.perf_counter())
        self.own.append(time.process_time())
        self.others.append(used_by_others())

    def result(self, warm_up: int) -> dict:
        """Median seconds of the steps after the warm-up, the peak above the loaded model in MiB, and how many cores others
        took meanwhile: above a tenth of one the time means little."""
        self._running = False
        self._thread.join()
        seconds = sorted(b - a for a, b in zip(self.times[warm_up:], self.times[warm_up + 1 :], strict=False))
        wall = self.times[-1] - self.times[warm_up]
        return {
            "seconds": seconds[len(seconds) // 2],
            "extra_mib": (self._peak - self._loaded) / 2**20,
            "others": max(0.0, (self.others[-1] - self.others[warm_up]) / wall),
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


def used_by_others() -> float:
    """CPU seconds that other processes, and other machines on the same cores, have used since the start."""
    user, nice, system, _idle, _wait, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK") - time.process_time()
