"""The schedule over a run that may be resumed with another length: still a function of the step, with one short memory."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..settings import describe
from ..specs import CONTINUE, HOLD, RESTART, RESUME_SCHEDULES
from .schedules import Multiplier, Schedule


@dataclass(frozen=True, kw_only=True)
class Course:
    """What the learning rates are multiplied by, called with the index of an update, in a run of `total_steps`.

    `way` is how it goes since the update with index `start`: 'continue', along the curve of a run that had this length from its
    start; 'hold', at `level`; 'restart', along the whole curve anew, warm-up included, over the steps from there.
    """

    schedule: Schedule
    total_steps: int
    way: str = CONTINUE
    start: int = 0
    level: float = 1.0

    def __call__(self, step: int) -> float:
        if self.way == HOLD:
            return self.level
        return self._curve(step - self._origin)

    def memory(self, step: int) -> dict[str, Any]:
        """What a run that goes on at `step` must know, JSON-ready."""
        return {
            "total_steps": self.total_steps, "schedule": describe(self.schedule), "way": self.way, "start": self.start,
            "level": self.level, "last": self(step - 1) if step else None,
        }

    @property
    def _origin(self) -> int:
        return self.start if self.way == RESTART else 0

    @cached_property
    def _curve(self) -> Multiplier:
        return self.schedule.multiplier(max(1, self.total_steps - self._origin))


def resumed(schedule: Schedule, total_steps: int, step: int, way: str, memory: Mapping[str, Any] | None) -> Course:
    """The course of a run that goes on at `step`: as it was, while neither its length nor its schedule is another one; else from
    here on as `way` says. States of before November 2026 have no memory: there 'hold' holds what today's schedule gives. Raises
    LookupError, TypeError or ValueError for a memory that is none."""
    if memory is not None and not is_another(schedule, total_steps, memory):
        return _as_it_was(schedule, total_steps, memory)
    plain = Course(schedule=schedule, total_steps=total_steps)
    if way == CONTINUE or not step:
        return plain
    level = plain(step - 1) if memory is None else memory["last"]
    return Course(schedule=schedule, total_steps=total_steps, way=way, start=step, level=level)


def _as_it_was(schedule: Schedule, total_steps: int, memory: Mapping[str, Any]) -> Course:
    way, start, level = memory["way"], int(memory["start"]), float(memory["level"])
    if way not in RESUME_SCHEDULES or start < 0 or not math.isfinite(level):
        raise ValueError(f"the learning rate cannot go as '{way}' from step {start} at {level}")
    return Course(schedule=schedule, total_steps=total_steps, way=way, start=start, level=level)


def is_another(schedule: Schedule, total_steps: int, memory: Mapping[str, Any]) -> bool:
    """Whether the run has another length or schedule than when `memory` was made."""
    return memory["total_steps"] != total_steps or _as_of_today(memory["schedule"], schedule) != describe(schedule)


def _as_of_today(then: Mapping[str, Any], schedule: Schedule) -> Mapping[str, Any]:
    """What a state holds of a schedule, with the defaults of the settings of its curve that are younger."""
    defaults = describe(type(schedule.curve)())
    return {**then, "curve": {**defaults, **then["curve"]}} if then["curve"]["type"] == defaults["type"] else then
