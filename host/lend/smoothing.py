"""Layers that scale their input, channel by channel, before they multiply (`pre_quant_scale` of nvfp4 files, after AWQ).

ComfyUI's layer does it inside its forward, where a frozen op sees only x -> y and takes the weight alone for its gradient,
and where an adapter beside the layer meets another x than the LoRA will that ComfyUI adds to the stored weight. So the
scale is taken out of the layer and put before it: both then work on what the weight multiplies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

_SCALE = "pre_quant_scale"


@contextmanager
def outside(model: nn.Module) -> Iterator[None]:
    """While open, the layers of `model` that scale their input get it scaled. Open it inside `borrowed`: it puts back what it finds."""
    undo: list[Callable[[], None]] = []
    try:
        for layer in smoothed_layers(model):
            scale: nn.Parameter = getattr(layer, _SCALE)
            layer._parameters[_SCALE] = None
            # A copy, since autograd keeps it and the file's memory cannot be shared lazily.
            undo += [layer.register_forward_pre_hook(_scaling(scale.clone())).remove, _put_back(layer, scale)]
        yield
    finally:
        while undo:
            undo.pop()()


def smoothed_layers(model: nn.Module) -> list[nn.Module]:
    return [layer for layer in model.modules() if layer._parameters.get(_SCALE) is not None]


def _scaling(scale: torch.Tensor):
    return lambda layer, given: (given[0] * scale.to(given[0]), *given[1:])


def _put_back(layer: nn.Module, scale: nn.Parameter) -> Callable[[], None]:
    return lambda: layer._parameters.__setitem__(_SCALE, scale)
