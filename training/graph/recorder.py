"""Records a computation below autograd, where there is nothing but operations on tensors.

It computes as ever while it is recorded. What cannot be replayed is noted and ends the recording, not the computation: a number read
from a tensor decides in Python, and would decide the same way each time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from ..ops import PLAIN
from .tape import Call, Slot, Tape, Unrecordable

_ALIASES = (torch.ops.aten.detach.default, torch.ops.aten.alias.default)
_PLAIN_ARGUMENTS = (bool, int, float, str, type(None), torch.dtype, torch.device, torch.layout, torch.memory_format)


class Recorder(TorchDispatchMode):
    """Open it around the computation. `inputs` are the tensors that are another's each time; more may be `add`ed on the way."""

    def __init__(self, inputs: Sequence[Tensor]):
        super().__init__()
        self._slots = WeakTensorKeyDictionary()
        self._calls: list[Call] = []
        self._inputs: list[int] = []
        self._fixed: dict[int, Tensor] = {}
        self._memory: dict[int, int] = {}
        self._memory_of_leaf: dict[int, int] = {}
        self._kept: list[Tensor] = []
        self._why_not, self._rests = "", False
        for tensor in inputs:
            self.add(tensor)

    def add(self, tensor: Tensor) -> None:
        """One more input."""
        self._inputs.append(self._leaf(tensor))
        self._kept.append(tensor)

    @contextmanager
    def resting(self) -> Iterator[None]:
        """What is computed while it is open is not recorded."""
        self._rests = True
        try:
            yield
        finally:
            self._rests = False

    def tape(self, results: Sequence[Tensor | None]) -> Tape:
        """What was recorded until `results` were there. Raises Unrecordable."""
        written = {self._memory[number] for call in self._calls for number in call.written}
        if not self._why_not and written & {self._memory[number] for number in (*self._inputs, *self._fixed)}:
            self._why_not = "writes into its weights, or into what it is given"
        if self._why_not:
            raise Unrecordable(self._why_not)
        numbers = [None if result is None else self._slot(result) for result in results]
        return Tape(calls=self._calls, inputs=self._inputs, fixed=self._fixed, memory=self._memory, results=numbers)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        if not self._rests and not self._why_not:
            try:
                self._note(func, args, kwargs or {}, found)
            except Unrecordable as why:
                self._why_not = str(why)
                self._calls, self._fixed = [], {}
        return found

    def _note(self, func: Any, args: tuple, kwargs: dict[str, Any], found: Any) -> None:
        if func in _ALIASES:
            self._slots[found] = self._slot(args[0])
            return
        require_replayable(func, args, kwargs)
        given, by_name = self._noted(args), {name: self._noted(value) for name, value in kwargs.items()}
        is_many = isinstance(found, (tuple, list))
        sources = _storages((args, tuple(kwargs.values())), self._slots)
        made = tuple(self._made(each, sources) for each in (found if is_many else (found,)))
        self._calls.append(Call(func, given, by_name, made, is_many, frozenset(self._written(func, args, kwargs))))

    def _noted(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return Slot(self._slot(value))
        if isinstance(value, (list, tuple)):
            return type(value)(self._noted(entry) for entry in value) if type(value) in (list, tuple) else tuple(map(self._noted, value))
        if not isinstance(value, _PLAIN_ARGUMENTS):
            raise Unrecordable(f"computes with a {type(value).__name__}")
        return value

    def _made(self, found: Any, sources: dict[int, int]) -> int | None:
        if not isinstance(found, Tensor):
            return None
        number = self._slots.get(found)
        if number is None:
            number = self._new(found)
            self._memory[number] = self._memory[sources[_storage(found)]] if _storage(found) in sources else number
        return number

    def _written(self, func: Any, args: tuple, kwargs: dict[str, Any]) -> Iterator[int]:
        for place, argument in enumerate(func._schema.arguments):
            if argument.alias_info is not None and argument.alias_info.is_write:
                value = args[place] if place < len(args) else kwargs.get(argument.name)
                yield from (self._slot(tensor) for tensor in (value if isinstance(value, (list, tuple)) else [value])
                            if isinstance(tensor, Tensor))

    def _slot(self, tensor: Tensor) -> int:
        number = self._slots.get(tensor)
        if number is None:
            number = self._leaf(tensor)
            self._fixed[number] = tensor
        return number

    def _leaf(self, tensor: Tensor) -> int:
        if type(tensor) not in PLAIN or tensor.layout != torch.strided:
            raise Unrecordable("computes with weights that torch does not know how to multiply by itself (quantised ones)")
        number = self._slots.get(tensor)
        if number is None:
            number = self._new(tensor)
            self._memory[number] = self._memory_of_leaf.setdefault(_storage(tensor), number)
        return number

    def _new(self, tensor: Tensor) -> int:
        self._slots[tensor] = number = len(self._memory)
        self._memory[number] = number
        return number


def require_replayable(func: Any, args: tuple, kwargs: dict[str, Any]) -> None:
    """Raises Unrecordable where `func` would do something else another time, or its arguments tell what only Python knew."""
    name = func._schema.name.removeprefix("aten::")
    if torch.Tag.data_dependent_output in func.tags:
        raise Unrecordable(f"reads a number of a tensor ({name})")
    if torch.Tag.dynamic_output_shape in func.tags and not _picks_by_number(func, args):
        raise Unrecordable(f"makes tensors whose size depends on numbers ({name})")
    if torch.Tag.nondeterministic_seeded in func.tags and _draws(func, args, kwargs):
        raise Unrecordable(f"draws at random ({name})")


def _picks_by_number(func: Any, args: tuple) -> bool:
    """Whether it is an indexing by places, whose result is as large each time."""
    return func is torch.ops.aten.index.Tensor and all(each is None or each.dtype not in (torch.bool, torch.uint8) for each in args[1])


def _draws(func: Any, args: tuple, kwargs: dict[str, Any]) -> bool:
    """Attention draws only where it drops."""
    for place, argument in enumerate(func._schema.arguments):
        if argument.name == "dropout_p":
            return (args[place] if place < len(args) else kwargs.get("dropout_p", argument.default_value)) != 0
    return True


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _storages(values: Any, slots: WeakTensorKeyDictionary) -> dict[int, int]:
    """Storage -> slot, of the tensors in nested arguments."""
    if isinstance(values, Tensor):
        return {_storage(values): slots[values]}
    found: dict[int, int] = {}
    for value in values if isinstance(values, (list, tuple)) else ():
        found |= _storages(value, slots)
    return found
