"""An attention with a backward, whatever the user launched ComfyUI with.

Sage attention has no backward, the sub-quadratic one chunks by free memory, so that recomputed blocks may differ
(Comfy-Org/ComfyUI#15845). PyTorch's SDPA has both a backward and a fixed result.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from comfy.ldm.modules import attention

_NAMES = ("optimized_attention", "optimized_attention_masked")


def override(function, *args, **kwargs):
    """For transformer_options['optimized_attention_override']: models that ask, get SDPA."""
    return attention.attention_pytorch(*args, **kwargs)


@contextmanager
def pinned() -> Iterator[None]:
    """While open, the names under which ComfyUI's model files imported their attention mean SDPA too: some models
    do not pass transformer_options on, and text encoders ask `optimized_attention_for_device`."""
    before = []
    try:
        for name, module in list(sys.modules.items()):
            if name.startswith(("comfy.ldm.", "comfy.text_encoders.")) or name == "comfy.clip_model":
                before += _pin(module)
        yield
    finally:
        for module, name, value in reversed(before):
            setattr(module, name, value)


def _pin(module) -> list[tuple[object, str, object]]:
    replaced = []
    for name in (*_NAMES, "optimized_attention_for_device"):
        value = vars(module).get(name)
        if not callable(value):
            continue
        replaced.append((module, name, value))
        setattr(module, name, attention.attention_pytorch if name in _NAMES else _for_device)
    return replaced


def _for_device(*args, **kwargs):
    return attention.attention_pytorch
