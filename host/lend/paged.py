"""Weights that ComfyUI moves to the device for the moment of one layer: autograd may not keep those.

Partly loaded models and dynamic VRAM (newer ComfyUI; read in 0.18.2) fetch a layer's weight into a buffer that the next layer uses again,
or into a page that may be taken away. Linears and convolutions fetch theirs anew in backward (`training/memory/frozen.py`);
what is left (norms, a megabyte or two in all) is put on the device for the whole run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from ...training.ops import op_of
from .weights import PAGE, fetched


@contextmanager
def settled(model: nn.Module, device: torch.device) -> Iterator[None]:
    """While open, every layer of `model` that autograd would keep a fetched weight of has its weights on `device`, with
    what the graph applied to them. Open it inside `borrowed`: it puts back what it finds."""
    undo: list[Callable[[], None]] = []
    try:
        for layer in model.modules():
            if _is_fetched(layer, device):
                _settle(layer, device, undo)
        yield
    finally:
        while undo:
            undo.pop()()


def _is_fetched(layer: nn.Module, device: torch.device) -> bool:
    """An embedding's input has no gradient, so nothing is kept of it."""
    if not hasattr(layer, "comfy_cast_weights") or isinstance(layer, nn.Embedding) or op_of(layer) is not None:
        return False
    weight = getattr(layer, "weight", None)
    return weight is not None and (hasattr(layer, PAGE) or weight.device != device)


def _settle(layer: nn.Module, device: torch.device, undo: list[Callable[[], None]]) -> None:
    own = dict(zip(("weight", "bias"), fetched(layer, device), strict=True))
    for name, value in own.items():
        if value is not None:
            _replace(layer._parameters, name, nn.Parameter(value, requires_grad=False), undo)
            # What the graph applied is in the value now.
            _replace(vars(layer), f"{name}_function", [], undo)
    if PAGE in vars(layer):
        page = vars(layer).pop(PAGE)
        undo.append(lambda: vars(layer).__setitem__(PAGE, page))


def _replace(table: dict, name: str, value: object, undo: list[Callable[[], None]]) -> None:
    before = table.get(name, undo)  # `undo` itself stands for 'was not there'
    table[name] = value
    undo.append(lambda: table.pop(name) if before is undo else table.__setitem__(name, before))
