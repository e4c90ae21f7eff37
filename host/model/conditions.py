"""What of a condition a model takes in, and what only ComfyUI's sampler would heed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType
from typing import Any

#: Where, when and how strongly a condition acts; patches and controls that act through it. `comfy.samplers` reads them, no model does.
SAMPLER_ONLY = frozenset((
    "area", "strength", "mask", "mask_strength", "set_area_to_bounds", "start_percent", "end_percent", "clip_start_percent",
    "clip_end_percent", "control", "control_apply_to_uncond", "gligen", "hooks", "default",
))


#: What every text encoder gives, asked for or not.
_USUAL = frozenset(("cond", "pooled_output"))


def unused(model: Any, names: Iterable[str]) -> list[str]:
    """Those of the entries `names` of a condition that the model (`patcher.model`) does not take in, sorted.

    ComfyUI gives a model every entry; which of them it asks for stands in the code of its class.
    """
    asked = {word for function in _methods(model) for word in _words(function.__code__)} - SAMPLER_ONLY
    return sorted(set(names) - asked - _USUAL)


def _methods(model: Any) -> Iterator[FunctionType]:
    """The functions of the model's classes, those put onto the instance, and the helpers beside them that they call."""
    for owner in (model, *type(model).__mro__):
        for value in vars(owner).values():
            function = getattr(value, "__func__", value)
            if isinstance(function, FunctionType):
                yield function
                named = (function.__globals__.get(name) for name in function.__code__.co_names)
                yield from (helper for helper in named if isinstance(helper, FunctionType))


def _words(code: CodeType) -> Iterator[str]:
    for constant in code.co_consts:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, CodeType):
            yield from _words(constant)
