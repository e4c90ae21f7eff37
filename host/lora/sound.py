"""Whether a LoRA is one that can be trained on at all. It may come from anywhere: whatever is in it is data.

A file that was cut off, lacks a half or holds NaN is told before anything is made of it, and so is what only ComfyUI's loader, or
the shape of a layer, finds out.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from ...training.errors import SettingsError, TrainingError, is_out_of_memory
from ...training.files.tensors import LARGEST, is_plausible

_ALPHA = ".alpha"
#: Endings of tensors that say nothing without one another.
_HALVES = (
    (".lora_up.weight", ".lora_down.weight"), (".lora_B.weight", ".lora_A.weight"), (".lora_B.default.weight", ".lora_A.default.weight"),
    (".lora_B", ".lora_A"), ("_lora.up.weight", "_lora.down.weight"), (".lora.up.weight", ".lora.down.weight"),
    (".lora_linear_layer.up.weight", ".lora_linear_layer.down.weight"), (".hada_w1_a", ".hada_w1_b", ".hada_w2_a", ".hada_w2_b"),
    (".lokr_w1_a", ".lokr_w1_b"), (".lokr_w2_a", ".lokr_w2_b"), (".a1.weight", ".a2.weight", ".b1.weight", ".b2.weight"),
)
_PARTNERS = {ending: endings for endings in _HALVES for ending in endings}
_WAY_ON = "Take another copy of the file, or another LoRA."


def require_sound(where: str, name: str, lora: Mapping[str, Any]) -> None:
    """Raises SettingsError with the first thing that makes `lora`, called `name`, one that nothing can go on from."""
    for key, tensor in lora.items():
        if wrong := _wrong_alpha(tensor) if key.endswith(_ALPHA) else _wrong_values(tensor):
            raise SettingsError(where, [f"{name} is damaged: '{key:.200}' {wrong}. {_WAY_ON}"])


def require_halves(where: str, name: str, lora: Mapping[str, Any], modules: Container[str]) -> None:
    """Raises SettingsError for a tensor of one of `modules` that is there without what belongs to it."""
    for key in lora:
        ending = next((ending for ending in _PARTNERS if key.endswith(ending) and key.removesuffix(ending) in modules), None)
        missing = [other for other in _PARTNERS[ending] if key.removesuffix(ending) + other not in lora] if ending else []
        if missing:
            raise SettingsError(where, [f"{name} is damaged: '{key:.200}' is there without its '{missing[0]}'. {_WAY_ON}"])


@contextmanager
def as_data(where: str, name: str) -> Iterator[None]:
    """Whatever the content of the LoRA called `name` does to the code in here becomes a SettingsError. Errors of the pack, and a
    lack of memory, stay what they are."""
    try:
        yield
    except Exception as error:
        if isinstance(error, TrainingError) or is_out_of_memory(error):
            raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise SettingsError(where, [f"{name} cannot be read as a LoRA: it is damaged, or something else ({reason}). {_WAY_ON}"]) from error


def _wrong_alpha(alpha: Any) -> str | None:
    if not isinstance(alpha, Tensor):
        return f"is no tensor but {type(alpha).__name__}"
    if alpha.numel() != 1 or not math.isfinite(value := float(alpha)) or abs(value) > LARGEST:
        return f"must be one number up to {LARGEST:g}, but is {alpha.flatten()[:3].tolist()}"
    return None


def _wrong_values(tensor: Any) -> str | None:
    if not isinstance(tensor, Tensor):
        return f"is no tensor but {type(tensor).__name__}"
    if not tensor.is_floating_point():
        return f"is of the type {tensor.dtype}, not of floating-point numbers"
    return None if is_plausible(tensor) else f"holds NaN, infinity, or numbers beyond {LARGEST:g}"
