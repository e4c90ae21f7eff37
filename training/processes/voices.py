"""Warnings of all processes in the main one's events."""

from __future__ import annotations

from collections.abc import Iterable

from ..events import Emitter, Event, Listener, Message, Progress
from .processes import Processes


class Voices(Emitter):
    """An Emitter that sends the warnings and errors of another process to the main one, which says those that it has not said itself:
    once its own work is done that comes before the first step, since all begin with the same."""

    def __init__(self, listeners: Iterable[Listener], processes: Processes):
        super().__init__(listeners)
        self._processes = processes
        self._texts: set[str] = set()

    def __call__(self, event: Event) -> None:
        if isinstance(event, Message) and event.level != "info":
            self._texts.add(event.text)
            if not self._processes.is_main:
                self._processes.say({"level": event.level, "topic": event.topic, "text": event.text, "step": event.step})
        elif not isinstance(event, (Message, Progress)):
            self._pass_on()
        super().__call__(event)

    def _pass_on(self) -> None:
        if not self._processes.is_main:
            return
        for rank, said in self._processes.heard():
            if said["text"] not in self._texts:
                self._texts.add(said["text"])
                super().__call__(Message(**{**said, "text": f"process {rank}: {said['text']}"}))
