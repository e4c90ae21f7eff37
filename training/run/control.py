"""Wishes from outside, polled by the loop: the panel's buttons, here or in another process, and ComfyUI's Cancel."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from ..events import Message

STOP, PAUSE, SAVE, PREVIEW = "stop", "pause", "save", "preview"
ENDING = (STOP, PAUSE)
STOPPED, PAUSED, CANCELLED = "stopped", "paused", "cancelled"
"""How a run ends that was asked to: the graph goes on after the first alone."""
MAX_SCALE = 100.0


class Wishes(Protocol):
    """What can be asked of a run that trains: of `Control`, or of what brings it there."""

    def request_stop(self) -> None: ...

    def request_pause(self) -> None: ...

    def request_save(self) -> None: ...

    def request_preview(self) -> None: ...

    def set_learning_rate_scale(self, scale: float) -> None: ...


def _learning_rate(wishes: Wishes, value: Any) -> None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    # Out of range covers NaN, infinity and integers that no float can hold.
    if not is_number or not 0 <= value <= MAX_SCALE:
        raise ValueError(f"value is {value!r:.40} but must be from 0 to {MAX_SCALE:g}: it multiplies the schedule")
    wishes.set_learning_rate_scale(float(value))


ACTIONS: Mapping[str, Callable[[Wishes, Any], None]] = {
    STOP: lambda wishes, _: wishes.request_stop(),
    PAUSE: lambda wishes, _: wishes.request_pause(),
    SAVE: lambda wishes, _: wishes.request_save(),
    PREVIEW: lambda wishes, _: wishes.request_preview(),
    "learning_rate": _learning_rate,
}


def perform(wishes: Wishes, asked: Mapping[str, Any]) -> str:
    """Carry out {"action": name, "value": number}; return the action's name. Raises ValueError for what is no such thing."""
    action = asked.get("action")
    if not isinstance(action, str) or action not in ACTIONS:
        raise ValueError(f"action is {action!r:.40} but must be one of: {', '.join(ACTIONS)}")
    ACTIONS[action](wishes, asked.get("value"))
    return action


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
        self._asked: Callable[[], Iterable[Mapping[str, Any]]] = lambda: ()
        self._tell: Callable[[Message], None] = lambda message: None

    def check(self) -> None:
        """Called before every micro-step and between batches of every longer work; raises when cancelled."""
        for asked in self._asked():
            self._heed(asked)
        self._throw_if_interrupted()

    def listen(self, asked: Callable[[], Iterable[Mapping[str, Any]]], tell: Callable[[Message], None]) -> None:
        """From now on every `check` does what `asked` brings from other processes, and tells of it."""
        self._asked, self._tell = asked, tell

    def _heed(self, asked: Mapping[str, Any]) -> None:
        try:
            action = perform(self, asked)
        except ValueError as error:
            self._tell(Message(level="warning", topic="asked", text=f"a request from another process was left undone: {error}."))
            return
        value = f" {asked['value']:g}" if action == "learning_rate" else ""
        self._tell(Message(level="info", topic="asked", text=f"'{action}{value}' was asked for by another process, in a panel."))

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
