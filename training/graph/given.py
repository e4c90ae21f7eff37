"""What a micro-step is given, nested as it is, as a flat list of tensors; and what tells two such lists apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any

from torch import Tensor

from .tape import Unrecordable


def mapped(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """`value` with each tensor in it changed: in dataclasses, tuples, lists and dictionaries."""
    if isinstance(value, Tensor):
        return change(value)
    if _is_record(value):
        return replace(value, **{each.name: mapped(getattr(value, each.name), change) for each in fields(value) if each.init})
    if type(value) in (list, tuple):
        return type(value)(mapped(entry, change) for entry in value)
    if isinstance(value, dict):
        return {name: mapped(entry, change) for name, entry in value.items()}
    return value


def evened(value: Any) -> Any:
    """`value`, with tensors that lie over themselves (expanded ones) copied out: each can have a memory of its own then. One that is met
    twice is one afterwards too."""
    seen: dict[int, tuple[Tensor, Tensor]] = {}

    def even(tensor: Tensor) -> Tensor:
        if id(tensor) not in seen:
            seen[id(tensor)] = tensor, tensor if tensor.is_contiguous() else tensor.contiguous()
        return seen[id(tensor)][1]

    return mapped(value, even)


def tensors_of(value: Any) -> list[Tensor]:
    """The tensors in it, each once."""
    found: dict[int, Tensor] = {}
    mapped(value, lambda tensor: found.setdefault(id(tensor), tensor))
    return list(found.values())


def form_of(value: Any) -> tuple:
    """Equal for two values that differ in the numbers of their tensors alone. Raises Unrecordable for what cannot be compared."""
    places: dict[int, int] = {}
    return _form(value, places)


def _form(value: Any, places: dict[int, int]) -> Any:
    if isinstance(value, Tensor):
        if value.requires_grad:
            raise Unrecordable("trains text encoders")
        return ("tensor", places.setdefault(id(value), len(places)), tuple(value.shape), value.stride(), value.dtype, str(value.device))
    if _is_record(value):
        return (type(value), *(_form(getattr(value, each.name), places) for each in fields(value)))
    if isinstance(value, (list, tuple)):
        return (type(value), *(_form(entry, places) for entry in value))
    if isinstance(value, dict):
        return ("dict", *((name, _form(entry, places)) for name, entry in value.items()))
    if value is None or isinstance(value, (bool, int, float, str)):
        return (type(value), value)
    raise Unrecordable(f"is given a {type(value).__name__} by the model's conditions")


def _is_record(value: Any) -> bool:
    return is_dataclass(value) and not isinstance(value, type)
