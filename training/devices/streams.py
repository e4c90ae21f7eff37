"""Work on a stream of its own, beside what a device computes, and ordered against it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

import torch

from .backend import backend

Made = TypeVar("Made")


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


def streams_of(device: torch.device) -> Streams | None:
    """None where the device has none."""
    module = backend(device)
    return _Streams(device, module) if module is not None and hasattr(module, "Stream") else None


def beside(streams: Streams, work: Callable[[], Made]) -> tuple[Made, Any]:
    """What `work` gives, called on the copying stream after all that the computing one was given before; and the event that it is done."""
    streams.copying.wait_stream(streams.computing())
    with streams.on_copying():
        made = work()
    return made, streams.copying.record_event()


class _Streams:
    """`module` is torch.cuda, or that of another accelerator."""

    def __init__(self, device: torch.device, module: Any):
        self._device, self._module = device, module
        self.copying: Any = module.Stream(device=device)

    def computing(self) -> Any:
        return self._module.current_stream(self._device)

    def on_copying(self) -> Any:
        return self._module.stream(self.copying)
