"""A lane whose main memory is the CPU's own, and whose copies are made as late as they may be."""

from __future__ import annotations

import torch
from torch.multiprocessing.reductions import StorageWeakRef

GARBAGE = 0xFF
"""Bytes of NaN in every floating type."""


class LateLane:
    """Nothing arrives before it is waited for: who reads earlier reads NaN. When it is made, a copy's source must still be there and
    be what it was when the copy was begun."""

    device = torch.device("cpu")

    def __init__(self):
        self.open: list[LateCopy] = []
        self.copied: list[int] = []

    def far(self, like):
        return _spoilt(torch.empty_like(like))

    def copy(self, into, source):
        copy = LateCopy(self, _spoilt(into), source)
        self.open.append(copy)
        self.copied.append(source.nbytes)
        return copy

    def finish(self):
        while self.open:
            self.open.pop(0).make()


class LateCopy:
    def __init__(self, lane, into, source):
        self._lane, self._into = lane, into
        self._alive, self._then = StorageWeakRef(source.untyped_storage()), source.clone()
        self._storage, self._geometry = source.untyped_storage()._cdata, (source.storage_offset(), source.size(), source.stride())

    def wait(self):
        while self in self._lane.open:
            self._lane.open.pop(0).make()

    def make(self):
        assert not self._alive.expired(), "the source was given up before the copy was made"
        storage = torch.UntypedStorage._new_with_weak_ptr(self._alive.cdata)
        source = torch.empty(0, dtype=self._then.dtype).set_(storage, *self._geometry)
        assert torch.equal(_bytes(source), _bytes(self._then)), "the source was written into before the copy was made"
        self._into.copy_(self._then)


def _bytes(tensor):
    return tensor.contiguous().view(torch.uint8) if tensor.ndim else tensor.reshape(1).view(torch.uint8)


def _spoilt(tensor):
    torch.empty(0, dtype=torch.uint8).set_(tensor.untyped_storage()).fill_(GARBAGE)
    return tensor
