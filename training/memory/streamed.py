"""Copies made on a stream of their own, beside the one that computes, and ordered against it.

The memory of copies belongs to the copying stream. It waits for the computing one before it copies, since what was let go may
still be read there, and again before memory is given back, since others may then take it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from .foresight import Key

Value = TypeVar("Value")


class Stream(Protocol):
    """What is used of torch's streams."""

    def wait_stream(self, stream: Any) -> None: ...

    def wait_event(self, event: Any) -> None: ...

    def record_event(self) -> Any: ...

    def synchronize(self) -> None: ...


class Streams(Protocol):
    """`copying` copies; `computing()` is the one that whoever asks computes on; what is called in `on_copying()` is done on `copying`."""

    copying: Stream

    def computing(self) -> Stream: ...

    def on_copying(self) -> AbstractContextManager: ...


@dataclass(frozen=True, slots=True)
class Streamed(Generic[Value]):
    """A copy, which is whole once `there` has happened."""

    value: Value
    there: Any


class StreamMover(Generic[Key, Value]):
    """A Mover (ahead.py) by streams. `copy(key)` queues the copying on the stream that it is called on, and raises one of
    `no_room` where there is none; `size(key)` is in bytes."""

    def __init__(
        self, streams: Streams, copy: Callable[[Key], Value], size: Callable[[Key], int], no_room: tuple[type[BaseException], ...] = ()
    ):
        self._streams = streams
        self._copy = copy
        self.size = size
        self._no_room = no_room

    def fetch(self, key: Key) -> Streamed[Value] | None:
        self._wait_for_computing()
        try:
            with self._streams.on_copying():
                value = self._copy(key)
        except self._no_room:
            return None
        return Streamed(value, self._streams.copying.record_event())

    def arrive(self, copy: Streamed[Value]) -> None:
        self._streams.computing().wait_event(copy.there)

    def release(self, copy: Streamed[Value]) -> None:
        """The memory goes with the last that refers to it."""
        self._wait_for_computing()

    def _wait_for_computing(self) -> None:
        self._streams.copying.wait_stream(self._streams.computing())
