"""What autograd keeps between forward and backward, in main memory: copied away as it is kept, fetched ahead of its use.

Storages travel, not tensors: q, k and v that are views of one result go once, and so does what several layers keep, however many
lazy clones of it they hold (see `network.in_place`). What was lent or is trained stays where it lies.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import ref

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.multiprocessing.reductions import StorageWeakRef

from ..network.in_place import hooks_so_far
from .lane import Copy, Lane

LEAST = 2**18
"""Bytes of a storage that is worth the way."""
WINDOW = 2**28
"""Bytes that lie on the device beside what is computed with: the last that left, or the next that are to come."""


@contextmanager
def in_main_memory(
    lane: Lane | None, stay: Iterable[Tensor] = (), *, least: int | None = None, window: int | None = None
) -> Iterator[None]:
    """Open it around a forward whose backward comes next; without a lane it does nothing. `stay` are tensors that lie on the device
    anyway."""
    if lane is None:
        yield
        return
    trip = _Trip(lane, {_place(tensor) for tensor in stay}, LEAST if least is None else least, WINDOW if window is None else window)
    with saved_tensors_hooks(trip.pack, trip.unpack):
        yield


class _Bytes:
    """A storage's content: `near` is there while it lies on the device, `far` always, once `copy` is waited for."""

    __slots__ = ("__weakref__", "copy", "far", "near", "number", "source")

    def __init__(self, near: Tensor, far: Tensor, copy: Copy, source: StorageWeakRef, number: int):
        self.near: Tensor | None = near
        self.far, self.copy, self.source, self.number = far, copy, source, number

    @property
    def size(self) -> int:
        return self.far.numel()


class _View:
    """A tensor on a storage that has left."""

    __slots__ = ("bytes", "dtype", "geometry")

    def __init__(self, tensor: Tensor, of: _Bytes):
        self.bytes, self.dtype = of, tensor.dtype
        self.geometry = (tensor.storage_offset(), tensor.size(), tensor.stride())

    def on(self, near: Tensor) -> Tensor:
        return torch.empty(0, dtype=self.dtype, device=near.device).set_(near.untyped_storage(), *self.geometry)


class _Trip:
    """One forward and its backward."""

    def __init__(self, lane: Lane, stay: set[int], least: int, window: int):
        self._lane, self._stay, self._least, self._window = lane, stay, least, window
        self._pack, self._unpack = hooks_so_far()
        self._in_use: dict[int, _Bytes] = {}  # somebody else still holds them: by address, which a write would change
        self._left: deque[_Bytes] = deque()  # nobody else does; their `near` is given up when the window is full
        self._left_bytes = 0
        self._order: list[ref[_Bytes]] = []

    def pack(self, tensor: Tensor) -> Any:
        kept = self._pack(tensor)
        if kept is tensor or not self._travels(kept):
            return kept
        self._give_up()
        place = _place(kept)
        if place not in self._in_use:
            self._in_use[place] = self._leave(kept, tensor)
        return _View(kept, self._in_use[place])

    def unpack(self, kept: Any) -> Tensor:
        if not isinstance(kept, _View):
            return self._unpack(kept)
        self._begin_backward()
        near = self._fetched(kept.bytes)
        kept.bytes.copy.wait()
        self._fetch_before(kept.bytes.number)
        return kept.on(near)

    def _begin_backward(self) -> None:
        """Who still waits for what has left holds it; a recipe that was forgotten may have held the only other hand on the rest."""
        for one in (*self._left, *self._in_use.values()):
            one.copy.wait()
        self._left.clear()
        self._in_use.clear()
        self._left_bytes = 0

    def _travels(self, kept: Any) -> bool:
        return (
            type(kept) is Tensor and kept.layout is torch.strided and kept.device == self._lane.device
            and kept.untyped_storage().nbytes() >= self._least and _place(kept) not in self._stay
        )

    def _leave(self, kept: Tensor, source: Tensor) -> _Bytes:
        near = torch.empty(0, dtype=torch.uint8, device=kept.device).set_(kept.untyped_storage())
        far = self._lane.far(near)
        left = _Bytes(near, far, self._lane.copy(far, near), StorageWeakRef(source.untyped_storage()), len(self._order))
        self._order.append(ref(left))
        return left

    def _give_up(self) -> None:
        for place in [place for place, one in self._in_use.items() if one.source.expired()]:
            left = self._in_use.pop(place)
            self._left.append(left)
            self._left_bytes += left.size
        while self._left_bytes > self._window:
            left = self._left.popleft()
            self._left_bytes -= left.size
            left.copy.wait()
            left.near = None

    def _fetched(self, one: _Bytes) -> Tensor:
        if one.near is None:
            one.near = torch.empty_like(one.far, device=self._lane.device, pin_memory=False)
            one.copy = self._lane.copy(one.near, one.far)
        return one.near

    def _fetch_before(self, number: int) -> None:
        """What the backward will ask for next: what left before."""
        ahead = 0
        while number and ahead < self._window:
            number -= 1
            one = self._order[number]()
            if one is not None:
                ahead += one.size
                self._fetched(one)


def _place(tensor: Tensor) -> int:
    """Where its storage begins: for lazy clones of one tensor the same, until one is written to."""
    return torch._C._data_address(tensor) - tensor.storage_offset() * tensor.element_size()  # pyright: ignore[reportAttributeAccessIssue]
