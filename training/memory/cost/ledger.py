"""Bytes that are alive, followed through a piece of work operation by operation: on real tensors, or on fake ones, which have every
tensor's shape, dtype and device and none of its numbers, so that a step of a full-size model takes seconds and no memory.

A storage counts from the operation that made it until nothing holds it any more; what was there before the work counts as nothing. A
lazy clone (`network/in_place.py`) shares the memory of what it was made of until one of the two is written to, and is counted so.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from .fakes import at_once
from .kernels import flops, scratch

_ATEN, _DEVICE = torch.ops.aten, torch.ops.prim.device.default


@dataclass
class Stretch:
    """What happened between two marks: bytes that were alive when it began, and at most; its FLOPs, and operations that were called."""

    name: str
    start: int
    peak: int
    flops: int = 0
    calls: int = 0


@dataclass(eq=False)
class Memory:
    """`size` bytes that `holders` storages share; they count as `counted`: nothing, where they were there before."""

    size: int
    counted: int
    holders: int = 1


class Ledger(TorchDispatchMode):
    """Open it around the work: `now` bytes are alive on `device`, `peak` were at most. `mark(name)` begins a new one of `stretches`."""

    def __init__(self, device: torch.device):
        super().__init__()
        self.now = self.peak = 0
        self.stretches = [Stretch("", 0, 0)]
        self.device, self._device = device, device.type
        self._memory: dict[int, Memory] = {}
        self._watched: dict[int, weakref.ref] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """torch asks this of its modes: to be skipped, its compiler is imported, and asked at every operation."""
        return False

    def mark(self, name: str) -> None:
        self.stretches.append(Stretch(name, self.now, self.now))

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if isinstance(args[0] if args else None, FakeTensor):
            if func is _DEVICE:  # half of all calls, and slow
                return args[0].fake_device
            if func is _ATEN._local_scalar_dense.default:
                return _some_number(args[0])
        if func._schema.is_mutable:
            for tensor in _written(func, args, kwargs):
                self._own(tensor)
        found = at_once(func, args, kwargs)
        if found is None:
            found = func(*args, **kwargs)
        source = self._source(args[0]) if func is _ATEN._lazy_clone.default else None
        new = [tensor for tensor in ((found,) if isinstance(found, Tensor) else tree_leaves(found))
               if isinstance(tensor, Tensor) and self.memory(tensor) is None and _device(tensor).type == self._device]
        were_there = {_key(given) for given in tree_leaves((args, kwargs)) if isinstance(given, Tensor)} if new and not source else set()
        for tensor in new:
            if self.memory(tensor) is None:  # an operation may give several views of one
                self._enter(tensor, source or _new(tensor, were_there))
        self._count(func, args, kwargs, found)
        return found

    def _source(self, tensor: Tensor) -> Memory:
        """The memory that a lazy clone of `tensor` shares."""
        memory = self.memory(tensor)
        if memory is None:
            memory = Memory(tensor.untyped_storage().nbytes(), 0, holders=0)
            self._enter(tensor, memory)
        return memory

    def _own(self, tensor: Tensor) -> None:
        """Who writes into memory that others share moves to memory of its own."""
        memory = self.memory(tensor)
        if memory is not None and memory.holders > 1:
            memory.holders -= 1
            self._memory[_key(tensor)] = Memory(memory.size, memory.size)
            self.now += memory.size

    def _count(self, func, args, kwargs, found) -> None:
        stretch, most = self.stretches[-1], self.now + scratch(func, args, found, self._device)
        self.peak, stretch.peak = max(self.peak, most), max(stretch.peak, most)
        stretch.calls += 1
        stretch.flops += flops(func, args, kwargs, found)

    def memory(self, tensor: Tensor) -> Memory | None:
        """What `tensor` lies in; None where that was there before and nothing has been made of it."""
        return self._memory.get(_key(tensor))

    def _enter(self, tensor: Tensor, memory: Memory) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if not memory.holders:
            self.now += memory.counted
        memory.holders += 1
        self._memory[key] = memory
        self._watched[key] = weakref.ref(storage, lambda _: self._leave(key))

    def _leave(self, key: int) -> None:
        memory = self._memory.pop(key)
        del self._watched[key]
        memory.holders -= 1
        if not memory.holders:
            self.now -= memory.counted


def _new(tensor: Tensor, were_there: set[int]) -> Memory:
    size = tensor.untyped_storage().nbytes()
    return Memory(size, 0 if _key(tensor) in were_there else size, holders=0)


def _device(tensor: Tensor) -> torch.device:
    return tensor.fake_device if isinstance(tensor, FakeTensor) else tensor.device


def _key(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _written(func, args: tuple, kwargs: dict) -> list[Tensor]:
    """The tensors among an operation's arguments that it writes into."""
    given = [(argument, args[place] if place < len(args) else kwargs.get(argument.name))
             for place, argument in enumerate(func._schema.arguments)]
    values = [value for argument, value in given if argument.alias_info is not None and argument.alias_info.is_write]
    return [tensor for tensor in tree_leaves(values) if isinstance(tensor, Tensor)]


def _some_number(tensor: FakeTensor) -> float | bool:
    """What code is answered that reads a number of a fake tensor: a draw, a noise level, whether a mask is full. A count decides on
    shapes: none is made up."""
    if tensor.dtype is torch.bool:
        return False
    if tensor.dtype.is_floating_point:
        return 0.5
    raise RuntimeError("a count was read of a fake tensor")
