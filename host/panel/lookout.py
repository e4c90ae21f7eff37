"""Looks out for runs of other processes, while a page is open that would show them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from server import PromptServer

from ...training.errors import Contained
from ...training.events import cause_of
from ..runs.elsewhere import ELSEWHERE, RunsElsewhere
from .listeners import broadcast

log = logging.getLogger(__name__)
SECONDS_BETWEEN_LOOKS = 1.0
GRACE = 30
"""Looks without a page after which it sleeps: one that is reloaded is back by then."""


def _pages() -> int:
    return len(PromptServer.instance.sockets)


class Lookout:
    """`wake` is called when a page opens; then it looks once a second, until there was none for a while."""

    def __init__(self, runs: RunsElsewhere, send: Callable[[dict[str, Any]], None] = broadcast, pages: Callable[[], int] = _pages,
                 seconds: float = SECONDS_BETWEEN_LOOKS):
        self._runs, self._send, self._pages, self._seconds = runs, send, pages, seconds
        self._lock = threading.Lock()
        self._is_awake = False
        self._left = 0
        self._said = ""

    def wake(self) -> None:
        """Look once now, and go on looking."""
        self.look()
        with self._lock:
            self._left = GRACE
            if not self._is_awake:
                self._is_awake = True
                threading.Thread(target=self._go_on, name="LoRA Canvas lookout", daemon=True).start()

    def look(self) -> None:
        """Tell every page what is new. Whatever fails is a line in ComfyUI's log, once."""
        with Contained() as trouble:
            for message in self._runs.look():
                self._send(message)
        if trouble.error is not None and (told := cause_of(trouble.error)) != self._said:
            self._said = told
            log.warning("[LoRA Canvas] runs of other processes cannot be followed: %s", told)

    def _go_on(self) -> None:
        while self._goes_on():
            time.sleep(self._seconds)
            self.look()

    def _goes_on(self) -> bool:
        with self._lock:
            self._left = GRACE if self._pages() else self._left - 1
            self._is_awake = self._left > 0
            return self._is_awake


LOOKOUT = Lookout(ELSEWHERE)
"""The one of this process."""
