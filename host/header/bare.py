"""ComfyUI's own model of a configuration, all of its weights on `meta`: their shapes and dtypes and not a byte of them."""

from __future__ import annotations

from typing import Any

import torch
from comfy.model_patcher import ModelPatcher

_META, _CPU = torch.device("meta"), torch.device("cpu")


def bare_model(config: Any, stored: torch.dtype, computed: torch.dtype) -> Any:
    """A MODEL for a Session that is only rehearsed: of a configuration of `comfy.supported_models`, its weights stored in
    one dtype and computed with in another. It is rehearsed on the CPU, whose attention keeps what that of cards keeps."""
    config.set_inference_dtype(stored, None if computed == stored else computed)
    model = config.get_model({}, device=_META).requires_grad_(False)
    return ModelPatcher(model, load_device=_CPU, offload_device=_CPU)
