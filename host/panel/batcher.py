"""Collects items and hands them on in batches, at most one batch an interval, none of them late."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from ...training.errors import Contained
from ...training.events import cause_of

log = logging.getLogger(__name__)


class Batcher:
    """Call `add` from the training thread; `send` gets a list, from that thread or from a timer's.

    The first item after a quiet interval goes at once; what follows waits for the interval's end, so a
    message is never stuck behind a step that takes a minute.
    """

    def __init__(self, send: Callable[[list[Any]], None], interval: float = 0.2,
                 clock: Callable[[], float] = time.monotonic):
        self._send = send
        self._interval = interval
        self._clock = clock
        self._lock = threading.Lock()
        self._items: list[Any] = []
        self._sent_at = -interval
        self._timer: threading.Timer | None = None

    def add(self, item: Any) -> None:
        with self._lock:
            self._items.append(item)
            wait = self._sent_at + self._interval - self._clock()
            if wait <= 0:
                self._flush()
            elif self._timer is None:
                self._timer = threading.Timer(wait, self._flush_late)
                self._timer.daemon = True
                self._timer.start()

    def replace_last(self, item: Any, same: Callable[[Any], bool]) -> None:
        """Like `add`, but takes the place of the newest waiting item when that is of the same sort."""
        with self._lock:
            if self._items and same(self._items[-1]):
                self._items[-1] = item
                return
        self.add(item)

    def flush(self) -> None:
        """Send what waits, now."""
        with self._lock:
            self._flush()

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._items:
            items, self._items = self._items, []
            self._sent_at = self._clock()
            self._send(items)

    def _flush_late(self) -> None:
        """From the timer's thread, where nobody listens to a failure: the next batch is sent all the same."""
        with Contained() as trouble:
            self.flush()
        if trouble.error is not None:
            log.warning("[LoRA Canvas] the panel failed: %s", cause_of(trouble.error))
