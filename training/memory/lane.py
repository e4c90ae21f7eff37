"""Copies between a device and main memory, beside what the device computes meanwhile."""

from __future__ import annotations

from typing import Any, Protocol, cast

import torch
from torch import Tensor

from ..devices.streams import Streams, beside, streams_of


class Copy(Protocol):
    """A copy that was begun."""

    def wait(self) -> None:
        """What the device is given from now on comes after the copy. May be called again."""
        ...


class Lane(Protocol):
    """Copies in the order in which they are begun, each after what `device` was given before it. Who begins one leaves its source
    as it is, and alive, until it was waited for."""

    device: torch.device

    def far(self, like: Tensor) -> Tensor:
        """Main memory for the numbers of `like`, in the layout that it has."""
        ...

    def copy(self, into: Tensor, source: Tensor) -> Copy: ...

    def finish(self) -> None:
        """The host waits until every copy is made."""
        ...


def lane_of(device: torch.device) -> Lane | None:
    """None where the device has no memory but main memory, or no way to copy beside what it computes."""
    streams = None if device.type in ("cpu", "mps", "meta") else streams_of(device)
    return None if streams is None else StreamLane(device, streams)


class StreamLane:
    """On the copying one of `streams`."""

    def __init__(self, device: torch.device, streams: Streams):
        self.device = device
        self._streams = streams

    def far(self, like: Tensor) -> Tensor:
        try:
            return torch.empty_like(like, device="cpu", pin_memory=True)
        except RuntimeError:  # the system locks no more of its memory: copies from and to it wait for themselves
            return torch.empty_like(like, device="cpu")

    def copy(self, into: Tensor, source: Tensor) -> Copy:
        _, done = beside(self._streams, lambda: into.copy_(source, non_blocking=True))
        if into.device == self.device:  # whoever frees it early must not get it written into
            into.record_stream(cast(Any, self._streams.copying))
        return _StreamCopy(self._streams, done)

    def finish(self) -> None:
        self._streams.copying.synchronize()


class _StreamCopy:
    def __init__(self, streams: Streams, done: Any):
        self._streams, self._done = streams, done

    def wait(self) -> None:
        self._streams.computing().wait_event(self._done)
