"""A program on memory of its own: what it is given is copied there, so that a card can launch the whole of it as one recording."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor

from ..devices.backend import backend
from .program import Program

Work = Callable[[], list[Tensor | None]]


class Capture(Protocol):
    """How a work is done again and again, always on the same memory."""

    def take(self, work: Work) -> None:
        """The work; it may be done while it is taken."""
        ...

    def replay(self) -> list[Tensor | None]:
        """Do it. What it gives holds until the next replay of any."""
        ...


class Anew:
    """The work is launched by the host, operation by operation."""

    def take(self, work: Work) -> None:
        self.replay = work


class Recording:
    """The work is launched once, into a recording of the card's (a CUDA graph), and that as one from then on. `torch_of` is torch's module
    for the device, `pool` the memory that recordings share: one is replayed after the other."""

    def __init__(self, torch_of: Any, pool: Any):
        self._torch, self._pool = torch_of, pool
        self._graph = torch_of.CUDAGraph()
        self._found: list[Tensor | None] = []

    def take(self, work: Work) -> None:
        aside = self._torch.Stream()
        aside.wait_stream(self._torch.current_stream())
        with self._torch.stream(aside):  # what kernels and libraries set up at their first use is none of the recording
            work()
        self._torch.current_stream().wait_stream(aside)
        # Other threads may go on as they please: one of them pins memory.
        with self._torch.graph(self._graph, pool=self._pool, capture_error_mode="thread_local"):
            self._found = work()

    def replay(self) -> list[Tensor | None]:
        self._graph.replay()
        return self._found


def captures_of(device: torch.device) -> Callable[[], Capture]:
    """What makes a Capture there; all that one of these has made share their memory."""
    torch_of = backend(device)
    if torch_of is None or not hasattr(torch_of, "CUDAGraph"):
        return Anew
    return partial(Recording, torch_of, torch_of.graph_pool_handle())


class Bound:
    """`program`, whose inputs are like `inputs`. Called with the next ones it gives its results, which hold until it is called again."""

    def __init__(self, program: Program, inputs: Sequence[Tensor], capture: Capture):
        self.calls = program.calls
        self._buffers = [torch.empty_strided(one.shape, one.stride(), dtype=one.dtype, device=one.device) for one in inputs]
        self._stay = program.stay
        self._places = self._addresses()
        self.capture = capture
        self._fill(inputs)
        capture.take(lambda: program(self._buffers))

    def is_in_place(self) -> bool:
        """Whether everything that it reads lies where it lay."""
        return self._addresses() == self._places

    def __call__(self, inputs: Sequence[Tensor]) -> list[Tensor | None]:
        self._fill(inputs)
        return self.capture.replay()

    def _fill(self, inputs: Sequence[Tensor]) -> None:
        for buffer, one in zip(self._buffers, inputs, strict=True):
            buffer.copy_(one)

    def _addresses(self) -> list[int]:
        return [tensor.data_ptr() for tensor in self._stay]
