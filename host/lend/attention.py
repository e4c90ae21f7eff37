"""An attention with a backward, whatever the user, a node or the checkpoint chose.

Sage and ComfyUI's own int8 attention have no backward, the sub-quadratic one chunks by free memory, so that recomputed blocks
may differ (Comfy-Org/ComfyUI#15845). PyTorch's SDPA has both a backward and a fixed result.

ComfyUI chooses in four ways: the launch options decide what `optimized_attention` means in the modules that imported it;
`optimized_attention_for_device` decides by call; nodes set an override in transformer_options, and may look functions up by
name; layers of newer checkpoints ask for one (`preferred_attention`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from comfy.ldm.modules import attention

from ...training.devices.determinism import is_asked, repeatable
from ...training.network.in_place import lazy_clone

_NAMES = ("optimized_attention", "optimized_attention_masked")


def sdpa(*args, **kwargs):
    """PyTorch's attention in place of any of ComfyUI's; an override or a layer's own wish, which that would obey, is not asked."""
    kwargs.pop("preferred_attention", None)
    kwargs["_inside_attn_wrapper"] = True
    if not is_asked():
        return attention.attention_pytorch(*args, **kwargs)
    return lazy_clone(repeatable(attention.attention_pytorch, *args, **kwargs))  # models may write into what they are given


def override(function, *args, **kwargs):
    """For transformer_options['optimized_attention_override']: models that ask, get SDPA."""
    return sdpa(*args, **kwargs)


@contextmanager
def pinned() -> Iterator[None]:
    """While open, every name under which a module imported ComfyUI's attention, and every name that it is registered under,
    means SDPA: some models do not pass transformer_options on, and text encoders ask `optimized_attention_for_device`."""
    before: list[tuple[dict, str, object]] = []
    try:
        for name, module in list(sys.modules.items()):
            before += _pin(vars(module), ours=name.startswith("comfy.")) if module is not None else []
        registered = attention.REGISTERED_ATTENTION_FUNCTIONS
        before += [_replace(registered, name, sdpa) for name in registered]
        yield
    finally:
        for table, name, value in reversed(before):
            table[name] = value


def settle(device: torch.device) -> None:
    """PyTorch decides at its first attention in a process which of its kernels comes first on this card, whatever order ComfyUI (0.33) has
    just asked for: without this the first block would be recomputed by another kernel than its forward's."""
    if device.type == "cuda":
        one = torch.zeros(1, 1, 8, 64, dtype=torch.float16, device=device)
        torch.nn.functional.scaled_dot_product_attention(one, one, one)


def _pin(names: dict, *, ours: bool) -> list[tuple[dict, str, object]]:
    """ComfyUI's own modules whatever was put into them, others where they hold a function of ComfyUI's."""
    found = [(name, names.get(name)) for name in (*_NAMES, "optimized_attention_for_device")]
    return [_replace(names, name, sdpa if name in _NAMES else _for_device) for name, value in found
            if callable(value) and (ours or str(getattr(value, "__module__", "")).startswith("comfy."))]


def _replace(table: dict, name: str, value: object) -> tuple[dict, str, object]:
    before = table[name]
    table[name] = value
    return table, name, before


def _for_device(*args, **kwargs):
    return sdpa
