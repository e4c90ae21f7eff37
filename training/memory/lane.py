"""Copies between a device and main memory, beside what the device computes meanwhile."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from ..devices.backend import backend


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
    if device.type in ("cpu", "mps", "meta"):
        return None
    module = backend(device)
    return StreamLane(device, module) if module is not None and hasattr(module, "Stream") else None


class StreamLane:
    """On a stream of its own; `module` is torch.cuda, or that of another accelerator."""

    def __init__(self, device: torch.device, module: Any):
        self.device = device
        self._module = module
        self._stream = module.Stream(device)

    def far(self, like: Tensor) -> Tensor:
        try:
            return torch.empty_like(like, device="cpu", pin_memory=True)
        except RuntimeError:  # the system locks no more of its memory: copies from and to it wait for themselves
            return torch.empty_like(like, device="cpu")

    def copy(self, into: Tensor, source: Tensor) -> Copy:
        self._stream.wait_stream(self._module.current_stream(self.device))
        with self._module.stream(self._stream):
            into.copy_(source, non_blocking=True)
            done = self._stream.record_event()
        if into.device == self.device:  # whoever frees it early must not get it written into
            into.record_stream(self._stream)
        return _StreamCopy(self, done)

    def finish(self) -> None:
        self._stream.synchronize()

    def follow(self, done: Any) -> None:
        self._module.current_stream(self.device).wait_event(done)


class _StreamCopy:
    def __init__(self, lane: StreamLane, done: Any):
        self._lane, self._done = lane, done

    def wait(self) -> None:
        self._lane.follow(self._done)
