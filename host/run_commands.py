"""What the panel may tell a running run: action name -> call on its control."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .request_guard import Refused
from .run_registry import RunControl

MAX_SCALE = 100.0


def _learning_rate(control: RunControl, value: Any) -> None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    # Out of range covers NaN, infinity and integers that no float can hold.
    if not is_number or not 0 <= value <= MAX_SCALE:
        raise Refused(400, f"value is {value!r:.40} but must be from 0 to {MAX_SCALE:g}: it multiplies the schedule")
    control.set_learning_rate_scale(float(value))


ACTIONS: Mapping[str, Callable[[RunControl, Any], None]] = {
    "stop": lambda control, _: control.request_stop(),
    "pause": lambda control, _: control.request_pause(),
    "save": lambda control, _: control.request_save(),
    "preview": lambda control, _: control.request_preview(),
    "learning_rate": _learning_rate,
}


def perform(control: RunControl, body: Mapping[str, Any]) -> str:
    """Carry out {"action": name, "value": number}; return the action's name."""
    action = body.get("action")
    if not isinstance(action, str) or action not in ACTIONS:
        raise Refused(400, f"action is {action!r} but must be one of: {', '.join(ACTIONS)}")
    ACTIONS[action](control, body.get("value"))
    return action
