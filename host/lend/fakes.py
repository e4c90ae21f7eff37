"""Fake tensors in the place of the weights: a step, an encoding are gone through for their shapes and bytes, before anything is loaded."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import _lru_cache_wrapper
from typing import Any

import comfy.model_management as model_management
import torch
from torch._subclasses.fake_tensor import FakeTensor

from .borrow import attributes, borrowed


def twin_on(device: torch.device) -> Callable[[torch.Tensor], torch.Tensor]:
    """What makes, inside of a FakeTensorMode, a tensor's fake twin on `device`."""
    return lambda tensor: torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=device)


@contextmanager
def encoding_fakes(encoders: Sequence[Any]) -> Iterator[None]:
    """While open, inside of a FakeTensorMode, each CLIP and VAE of the graph in `encoders` (None: there is none) encodes fakes, with
    fake weights on its own device, and ComfyUI loads nothing for it."""
    there = [encoder for encoder in encoders if encoder is not None]
    with ExitStack() as stack:
        stack.enter_context(attributes([(model_management, "load_models_gpu", _nothing)]))
        for encoder in there:
            stack.enter_context(borrowed([encoder.patcher.model], twin_on(encoder.patcher.load_device)))
        yield


@contextmanager
def leaving_none() -> Iterator[None]:
    """ComfyUI, its kernels and other packs keep tensors by size and device (the matrices that quantised layers turn with): none made
    while it is open, which has no numbers, is left to what computes afterwards."""
    try:
        yield
    finally:
        for name, module in list(sys.modules.items()):
            if name.startswith("comfy") or "custom_nodes" in name:
                _clear(list(getattr(module, "__dict__", {}).values()))


def _clear(values: list[Any]) -> None:
    for value in values:
        if isinstance(value, _lru_cache_wrapper):
            value.cache_clear()
        elif type(value) is dict:
            for key in [key for key, kept in value.items() if _is_fake(kept)]:
                del value[key]


def _is_fake(value: Any) -> bool:
    return isinstance(value, FakeTensor) or (type(value) in (tuple, list) and any(map(_is_fake, value)))


def _nothing(*args: Any, **kwargs: Any) -> None:
    """Instead of loading."""
