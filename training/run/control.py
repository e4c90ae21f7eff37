"""Wishes from outside, polled by the loop: the panel's buttons and ComfyUI's Cancel."""

from __future__ import annotations

import threading
from collections.abc import Callable

STOP, PAUSE, SAVE, PREVIEW = "stop", "pause", "save", "preview"
STOPPED, PAUSED, CANCELLED = "stopped", "paused", "cancelled"
"""How a run ends that was asked to: the graph goes on after the first alone."""


class Control:
    """Thread-safe. `throw_if_interrupted` is the host's Cancel: it raises one of `interrupts` when pressed. `is_cancelled` says whether it
    is pressed and leaves it so: for work at the end of a run that may be left out, while what comes after is cancelled all the same."""

    def __init__(
        self,
        throw_if_interrupted: Callable[[], None] = lambda: None,
        interrupts: tuple[type[BaseException], ...] = (KeyboardInterrupt,),
        is_cancelled: Callable[[], bool] = lambda: False,
    ):
        self.interrupts = interrupts
        self.is_cancelled = is_cancelled
        self._throw_if_interrupted = throw_if_interrupted
        self._lock = threading.Lock()
        self._wishes: set[str] = set()
        self._learning_rate_scale = 1.0

    def check(self) -> None:
        """Called before every micro-step and between batches of every longer work; raises when cancelled."""
        self._throw_if_interrupted()

    def request_stop(self) -> None:
        """End after the current step, keeping everything: the run counts as stopped, the graph goes on."""
        self._wish(STOP)

    def request_pause(self) -> None:
        """End after the current step with a state to go on from: the graph ends with it."""
        self._wish(PAUSE)

    def request_save(self) -> None:
        self._wish(SAVE)

    def request_preview(self) -> None:
        self._wish(PREVIEW)

    def set_learning_rate_scale(self, scale: float) -> None:
        """Multiply every learning rate from the next step on. Raises ValueError unless scale is finite and >= 0."""
        if not 0 <= scale < float("inf"):
            raise ValueError(f"the learning-rate scale is {scale} but must be a finite number of at least 0")
        with self._lock:
            self._learning_rate_scale = float(scale)

    @property
    def learning_rate_scale(self) -> float:
        with self._lock:
            return self._learning_rate_scale

    def ending(self) -> str | None:
        """PAUSED or STOPPED when asked to end."""
        with self._lock:
            return PAUSED if PAUSE in self._wishes else STOPPED if STOP in self._wishes else None

    def take(self, wish: str) -> bool:
        """Whether `wish` (SAVE, PREVIEW) was made since the last call; the wish is then done with."""
        with self._lock:
            made = wish in self._wishes
            self._wishes.discard(wish)
            return made

    def _wish(self, wish: str) -> None:
        with self._lock:
            self._wishes.add(wish)
