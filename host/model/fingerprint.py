"""A cheap identity of a loaded model for cache keys: it changes when weights, applied LoRAs or options do."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import torch
from torch import nn

from ..lend.borrow import alias

_SAMPLES = 64
_UNINITIALISED = "text_projection.weight"
"""SD1.5 files lack it and ComfyUI leaves it as the memory was: another value at each load. SD1.5 does not use it; where a
model does, its other weights tell models apart."""


def of_patcher(patcher, *options: object) -> str:
    """A hex digest over a strided sample of every original weight, every patch applied in the graph, and `options`.

    Sampling 64 values a tensor takes milliseconds for a text encoder; a fine-tune, merge or LoRA moves practically
    all values, so it cannot hide from the sample. A quantised weight is sampled as it is stored, scales and all.
    """
    digest = hashlib.sha256(repr(options).encode())
    with patcher.use_ejected():
        tensors = dict(_tensors(patcher.model))
    for key, tensor in sorted(tensors.items()):
        digest.update(key.encode())
        if not key.endswith(_UNINITIALISED):
            _update(digest, _original(patcher, key, tensor))
        for patch in patcher.patches.get(key, ()):
            digest.update(repr((patch[0], patch[2], patch[3])).encode())
            _update_patch(digest, patch[1])
    return digest.hexdigest()


def _tensors(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Every parameter and saved buffer by its name. Not of `state_dict`, in which quantised layers write keys that name nothing."""
    for path, module in model.named_modules(remove_duplicate=False):
        for name, tensor in (*module._parameters.items(), *module._buffers.items()):
            if tensor is not None and name not in module._non_persistent_buffers_set:
                yield f"{path}.{name}" if path else name, tensor


def _original(patcher, key: str, tensor: torch.Tensor) -> torch.Tensor:
    """As it was before ComfyUI merged patches into it."""
    if key in patcher.hook_backup:
        return patcher.hook_backup[key][0]
    return patcher.backup[key].weight if key in patcher.backup else tensor


def _update(digest, value: object) -> None:
    if not torch.is_tensor(value):
        digest.update(repr(value).encode())
        return
    digest.update(repr((tuple(value.shape), str(value.dtype))).encode())
    for stored in _stored(value):
        flat = stored.detach().reshape(-1)
        sample = flat[:: max(1, flat.numel() // _SAMPLES)]
        digest.update(sample.to("cpu", torch.float32).numpy().tobytes())


def _stored(tensor: torch.Tensor) -> list[torch.Tensor]:
    """The tensors in memory that `tensor` is made of: a quantised one has its numbers and their scales."""
    flatten = getattr(tensor, "__tensor_flatten__", None)
    if flatten is not None:
        names, _ = flatten()
        return [getattr(tensor, name) for name in names]
    return [alias(tensor)]


def _update_patch(digest, patch: object) -> None:
    weights = getattr(patch, "weights", patch)
    for value in weights if isinstance(weights, (tuple, list)) else (weights,):
        if isinstance(value, (tuple, list)):
            _update_patch(digest, value)
        else:
            _update(digest, value)
