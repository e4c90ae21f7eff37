"""Copies of weights, made on a stream of their own (`lane.py` carries what a run writes itself).

The memory of copies belongs to the copying stream. It waits for the computing one before it copies, since what was let go may
still be read there, and again before memory is given back, since others may then take it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ..devices.streams import Streams, beside
from .foresight import Key

Value = TypeVar("Value")


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
        try:
            return Streamed(*beside(self._streams, lambda: self._copy(key)))
        except self._no_room:
            return None

    def arrive(self, copy: Streamed[Value]) -> None:
        self._streams.computing().wait_event(copy.there)

    def release(self, copy: Streamed[Value]) -> None:
        """The memory goes with the last that refers to it."""
        self._streams.copying.wait_stream(self._streams.computing())
