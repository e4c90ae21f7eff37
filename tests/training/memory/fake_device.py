"""A device whose streams run late and in any order that their waits allow, and whose memory is taken by others as soon as it is free."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable
from contextlib import contextmanager


class Event:
    happened = False


class Stream:
    """Work in order. A wait is work too: it is done once its event has happened."""

    def __init__(self):
        self._queue: deque[tuple[Event | None, Callable[[], None]]] = deque()

    def do(self, work: Callable[[], None]) -> None:
        self._queue.append((None, work))

    def record_event(self) -> Event:
        event = Event()
        self.do(lambda: setattr(event, "happened", True))
        return event

    def wait_event(self, event: Event) -> None:
        self._queue.append((event, lambda: None))

    def wait_stream(self, stream: Stream) -> None:
        self.wait_event(stream.record_event())

    def synchronize(self) -> None:
        raise AssertionError("nobody waits for the device in a step")

    @property
    def ready(self) -> bool:
        return bool(self._queue) and (self._queue[0][0] is None or self._queue[0][0].happened)

    @property
    def idle(self) -> bool:
        return not self._queue

    def step(self) -> None:
        self._queue.popleft()[1]()


class Block:
    """The memory of one copy, which is freed on the stream that it was taken on with the last that refers to it."""

    def __init__(self, place: int):
        self.place = place


class Device:
    """`sizes`: bytes by key. `copy` is what a StreamMover copies with; `compute(block, key)` queues a look at whether the block holds
    that key's numbers when it is the turn of the computing stream. What was not as it should be is listed in `faults`."""

    def __init__(self, sizes: dict, random, total: int):
        self.copying, self._computing = Stream(), Stream()
        self.faults: list[str] = []
        self.copied: list = []
        self.live: dict = {}
        self._sizes, self._random, self._total = sizes, random, total
        self._memory: dict[int, object] = {}
        self._free: list[int] = []

    def computing(self) -> Stream:
        return self._computing

    @contextmanager
    def on_copying(self):
        yield

    def copy(self, key) -> Block:
        if key in self.live:
            self.faults.append(f"{key} is there twice")
        if sum(self._sizes[one] for one in self.live) + self._sizes[key] > self._total:
            raise MemoryError
        # What was freed on this stream is used again at once, as torch's allocator does.
        block = Block(self._free.pop() if self._free else len(self._memory))
        self._memory.setdefault(block.place, None)
        self.live[key] = block.place
        self.copied.append(key)
        weakref.finalize(block, self._freed, key, block.place)
        self.copying.do(lambda place=block.place: self._memory.__setitem__(place, key))
        return block

    def compute(self, block: Block, key) -> None:
        def look(place=block.place) -> None:
            if self._memory[place] != key:
                self.faults.append(f"computed with {self._memory[place]} instead of {key}")

        self._computing.do(look)

    def run(self, steps: int | None = None) -> None:
        """So many pieces of work, or all, now of this stream, now of that."""
        while steps is None or steps > 0:
            ready = [stream for stream in (self.copying, self._computing) if stream.ready]
            if not ready:
                break
            self._random.choice(ready).step()
            steps = None if steps is None else steps - 1
        if steps is None and not (self.copying.idle and self._computing.idle):
            self.faults.append("the streams wait for one another for ever")

    def _freed(self, key, place: int) -> None:
        del self.live[key]
        self._free.append(place)
        # Others may take it, and write there, once the stream that it was taken on gets here.
        self.copying.do(lambda: self._memory.__setitem__(place, "another's"))
