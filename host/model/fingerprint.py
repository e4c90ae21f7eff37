"""A cheap identity of a loaded model for cache keys: it changes when weights, applied LoRAs or options do."""

from __future__ import annotations

import hashlib

import torch

_SAMPLES = 64
_UNINITIALISED = "text_projection.weight"
"""SD1.5 files lack it and ComfyUI leaves it as the memory was: another value at each load. SD1.5 does not use it; where a
model does, its other weights tell models apart."""


def of_patcher(patcher, *options: object) -> str:
    """A hex digest over a strided sample of every original weight, every patch applied in the graph, and `options`.

    Sampling 64 values a tensor takes milliseconds for a text encoder; a fine-tune, merge or LoRA moves practically
    all values, so it cannot hide from the sample.
    """
    digest = hashlib.sha256(repr(options).encode())
    for key, (original, *patches) in sorted(patcher.get_key_patches().items()):
        digest.update(key.encode())
        if not key.endswith(_UNINITIALISED):
            _update(digest, original[0])
        for patch in patches:
            digest.update(repr((patch[0], patch[2], patch[3])).encode())
            _update_patch(digest, patch[1])
    return digest.hexdigest()


def _update(digest, value: object) -> None:
    if not torch.is_tensor(value):
        digest.update(repr(value).encode())
        return
    digest.update(repr((tuple(value.shape), str(value.dtype))).encode())
    if type(value) not in (torch.Tensor, torch.nn.Parameter):
        value = value.dequantize()
    flat = value.detach().reshape(-1)
    sample = flat[:: max(1, flat.numel() // _SAMPLES)]
    digest.update(sample.to("cpu", torch.float32).numpy().tobytes())


def _update_patch(digest, patch: object) -> None:
    weights = getattr(patch, "weights", patch)
    for value in weights if isinstance(weights, (tuple, list)) else (weights,):
        if isinstance(value, (tuple, list)):
            _update_patch(digest, value)
        else:
            _update(digest, value)
