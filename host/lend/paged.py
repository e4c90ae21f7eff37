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

from .weights import is_fetched, settle


@contextmanager
def settled(model: nn.Module, device: torch.device) -> Iterator[None]:
    """While open, every layer of `model` that autograd would keep a fetched weight of has its weights on `device`, with
    what the graph applied to them. Open it inside `borrowed`: it puts back what it finds."""
    undo: list[Callable[[], None]] = []
    try:
        for layer in model.modules():
            if is_fetched(layer, device):
                settle(layer, device, undo)
        yield
    finally:
        while undo:
            undo.pop()()
