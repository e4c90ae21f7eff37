"""The middle way between keeping and recomputing: results of norms, activation functions and gates are computed again in backward,
those of matrix products and attention are kept.

What such a function is computed from is kept for its own backward anyway, so its result need not be: autograd keeps a recipe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack

from ..network.in_place import hooks_so_far, storage_of
from ..ops import PLAIN

LEAST = 2**16
"""Bytes of a result that is worth a recipe."""
SMALL = 8
"""How much less than its result what is kept for a recipe alone must be."""

#: Their backward reads what they were computed from.
_READS = {
    F.layer_norm, F.group_norm, F.rms_norm, F.silu, F.gelu, torch.mul, Tensor.mul, Tensor.__mul__, Tensor.__rmul__,
    torch.addcmul, Tensor.addcmul,
}  # fmt: skip
#: Theirs does not: they go into a recipe only where that needs nothing new.
_SUMS = {torch.add, Tensor.add, Tensor.__add__, Tensor.__radd__}


@contextmanager
def cheaply(least: int | None = None) -> Iterator[None]:
    """Open it around a forward, inside whatever else decides what autograd keeps."""
    recipes = _Recipes(LEAST if least is None else least)
    with saved_tensors_hooks(recipes.pack, recipes.unpack), recipes:
        try:
            yield
        finally:
            recipes.forget()


def is_made_again(tensor: Tensor) -> bool:
    """Whether autograd would keep a recipe in place of it: a `cheaply` is open, and knows one."""
    return any(isinstance(mode, _Recipes) and mode.has(tensor) for mode in _get_current_function_mode_stack())


class _Recipe:
    """How a result is computed again; `made` while somebody still waits for it."""

    __slots__ = ("arguments", "function", "made", "options", "result")

    def __init__(self, function: Callable, arguments: Any, options: Any, result: Tensor):
        self.function, self.arguments, self.options = function, arguments, options
        self.result = StorageWeakRef(result.untyped_storage())
        self.made: Tensor | None = None


class _Kept:
    """What a recipe needs, as the hooks keep it."""

    __slots__ = ("packed",)

    def __init__(self, packed: Any):
        self.packed = packed


class _View:
    """A tensor on the result of a recipe."""

    __slots__ = ("dtype", "geometry", "of")

    def __init__(self, tensor: Tensor, of: _Recipe):
        self.of, self.dtype = of, tensor.dtype
        self.geometry = (tensor.size(), tensor.stride(), tensor.storage_offset())


class _Recipes(TorchFunctionMode):
    """Those of results that are still there, by their storage: a later tensor on the same one is the same, unless it was written to."""

    def __init__(self, least: int):
        super().__init__()
        self._least = least
        self._pack, self._unpack = hooks_so_far()
        self._known: dict[int, _Recipe] = {}

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if (func in _READS or func in _SUMS) and torch.is_grad_enabled() and type(result) in PLAIN:
            self._note(func, args, kwargs or {}, result)
        return result

    def has(self, tensor: Tensor) -> bool:
        return self._recipe_of(tensor) is not None

    def forget(self) -> None:
        """Nothing more will be kept. What autograd has kept holds its recipes itself, and what those make, only for as long as it needs."""
        self._known.clear()

    def pack(self, tensor: Tensor) -> Any:
        recipe = self._recipe_of(tensor)
        return self._pack(tensor) if recipe is None else _View(tensor, recipe)

    @torch.no_grad()
    def unpack(self, kept: Any) -> Tensor:
        if not isinstance(kept, _View):
            return self._unpack(kept)
        recipe = kept.of
        made = recipe.made
        if made is None:
            again = {name: self._given(value) for name, value in recipe.options.items()}
            made = recipe.made = recipe.function(*map(self._given, recipe.arguments), **again)
        same = made if made.dtype is kept.dtype else made.view(kept.dtype)
        return same.as_strided(*kept.geometry)

    def _note(self, function: Callable, args: tuple, kwargs: dict[str, Any], result: Tensor) -> None:
        given = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
        if not result.requires_grad or result.nbytes < self._least or not self._is_new(result, given):
            return
        if function in _SUMS and not all(self._recipe_of(one) or one.nbytes * SMALL <= result.nbytes for one in given):
            return
        for storage in [storage for storage, recipe in self._known.items() if recipe.result.expired()]:
            del self._known[storage]
        self._known[storage_of(result)] = _Recipe(
            function, [self._noted(value) for value in args], {name: self._noted(value) for name, value in kwargs.items()}, result
        )

    def _is_new(self, result: Tensor, given: list[Tensor]) -> bool:
        whole = result.untyped_storage().nbytes() == result.nbytes
        return whole and result._version == 0 and storage_of(result) not in map(storage_of, given)

    def _noted(self, value: Any) -> Any:
        return _Kept(self.pack(value.detach())) if isinstance(value, Tensor) else value

    def _given(self, value: Any) -> Any:
        return self.unpack(value.packed) if isinstance(value, _Kept) else value

    def _recipe_of(self, tensor: Tensor) -> _Recipe | None:
        recipe = self._known.get(storage_of(tensor))
        return recipe if recipe is not None and tensor._version == 0 and not recipe.result.expired() else None
