"""What a model notes on itself in a forward, for the next one: taken away again while training.

HiDream-O1 keeps the keys and values of its prompt from step to step. When adapters learn in between they are out of date, and
the graph that they hang on is gone with the first backward. A forward of training begins and ends as the first one did.

Nor may it begin with what a sampling of the same prompt has left: the model's own function empties it, which ComfyUI (0.33)
never calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from operator import is_
from typing import Any

import torch
from torch import nn

from .borrow import attributes, is_comfyui_s

_TORCH_S_OWN = frozenset(vars(nn.Module()))
_NOTES = (torch.Tensor, list, dict, tuple)
_EMPTY = "clear_kv_cache"
#: ComfyUI's lists of patches, two on every layer: functions, in which no forward writes.
_PATCHES = frozenset(("weight_function", "bias_function"))


@contextmanager
def forgotten(model: nn.Module, holder: Any = None) -> Iterator[None]:
    """While open, tensors that a forward of `model` leaves in attributes of its modules, in lists or dictionaries too, are
    gone after it, and those that recomputing left are gone before it. `holder` is whose `forward` that is, `model` if None."""
    empty(model)
    pages = [_Page(vars(module)) for module in model.modules()]
    holder = model if holder is None else holder
    forward = holder.forward

    def run(*args, **kwargs):
        _clear(pages)
        try:
            return forward(*args, **kwargs)
        finally:
            _clear(pages)

    with attributes([(holder, "forward", run)]):
        yield


def empty(model: nn.Module) -> None:
    """Before a sampling too: the one before may have had another adapter."""
    for module in model.modules():
        if hasattr(module, _EMPTY):
            getattr(module, _EMPTY)()


class _Page:
    """The attributes of one module, and what of them can become a note: those that are nothing yet, tensors and containers."""

    def __init__(self, table: dict[str, Any]):
        self.table = table
        self.names = frozenset(table)
        self.places = [
            (name, value, copy(value) if isinstance(value, (list, dict)) else None) for name, value in table.items()
            if name not in _TORCH_S_OWN | _PATCHES and not is_comfyui_s(name) and (value is None or isinstance(value, _NOTES))
        ]


def _clear(pages: list[_Page]) -> None:
    """Asked twice a step of thousands of modules, nearly always to find nothing."""
    for page in pages:
        table = page.table
        if len(table) != len(page.names):
            for name in [name for name in table if name not in page.names and not is_comfyui_s(name)]:
                if _holds_tensors(table[name]):
                    del table[name]
        for name, value, content in page.places:
            if table.get(name) is not value and _holds_tensors(table.get(name)):
                table[name] = value
            if content is not None and not _is_same(value, content):
                _refill(value, content)


def _is_same(container: Any, content: Any) -> bool:
    if isinstance(container, dict):
        return container.keys() == content.keys() and all(map(is_, container.values(), content.values()))
    return len(container) == len(content) and all(map(is_, container, content))


def _refill(container: Any, content: Any) -> None:
    if _holds_tensors(container):
        container.clear()
        container.update(content) if isinstance(container, dict) else container.extend(content)


def _holds_tensors(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_tensors, value.values()))
    return isinstance(value, torch.Tensor) or (isinstance(value, (list, tuple)) and any(map(_holds_tensors, value)))
