"""Noticing that the card is full and the driver has begun to swap: steps that take seconds, without a word from anybody.

Since driver 536.40 NVIDIA on Windows moves what does not fit into system memory instead of failing.
"""

from __future__ import annotations

import statistics
from collections import deque

WARM_UP, BASELINE, RECENT = 3, 10, 5
SLOWER, FULL = 2.5, 0.9


class SpillWatch:
    """Feed it every step; it answers once, with a sentence, when steps became SLOWER times slower while memory is FULL."""

    def __init__(self, total_bytes: int):
        self._total = total_bytes
        self._first: list[float] = []
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._seen = 0
        self._said = False

    def step(self, seconds: float, items: int, memory_bytes: int) -> str | None:
        """`seconds` of a step over `items` pictures, `memory_bytes` held now."""
        self._seen += 1
        per_item = seconds / items
        if self._said or self._seen <= WARM_UP:
            return None
        if len(self._first) < BASELINE:
            self._first.append(per_item)
            return None
        self._recent.append(per_item)
        factor = statistics.median(self._recent) / statistics.median(self._first)
        if len(self._recent) < RECENT or factor < SLOWER or memory_bytes < FULL * self._total:
            return None
        self._said = True
        return (
            f"Steps became {factor:.1f} times slower while the card's memory is full ({memory_bytes / 2**30:.1f} of "
            f"{self._total / 2**30:.1f} GiB): the driver moves what does not fit into system memory. Close other programs; switch "
            "gradient_checkpointing on; lower resolution on Bucket Config; or choose AdamW8bit on Optimizer."
        )
