"""A run's record is touched only by steps: what is told before the first of them waits until there is one."""

from __future__ import annotations

from collections import deque

from ..errors import Contained
from ..events import Event, Listener, Progress, RunEnded, RunStarted, StepDone


class FromFirstStep:
    """Tells `listener` nothing until the run takes its first step, then everything in order; progress before it is left out.

    So a start that is refused, cancelled or fails is not recorded, and a resume leaves what was there. Recorded without a step are a
    run that has all of its steps already, unless the record `is_finished`, and a new one that was asked to stop: both give a LoRA on.
    """

    def __init__(self, listener: Listener, is_finished: bool = False):
        self.name, self.critical = listener.name, listener.critical
        self._is_finished = is_finished
        self._listener = listener
        self._waiting: deque[Event] = deque()
        self._begun = self._goes_on = False

    def __call__(self, event: Event) -> None:
        if isinstance(event, Progress) and not self._begun:
            return
        if isinstance(event, RunStarted):
            self._goes_on = event.start_step > 0
        self._waiting.append(event)
        self._begun = self._begun or self._begins(event)
        failures = []
        while self._begun and self._waiting:
            with Contained() as trouble:  # what comes after it is told all the same
                self._listener(self._waiting.popleft())
            failures += [trouble.error] if trouble.error else []
        if failures:
            raise failures[0]

    def _begins(self, event: Event) -> bool:
        if isinstance(event, RunEnded):
            reason = event.reason.partition(":")[0]
            return reason == "finished" and not self._is_finished or reason in ("stopped", "paused") and not self._goes_on
        return isinstance(event, StepDone)
