"""A condition as one mapping of entries, and as flat tensors that a file can hold.

ComfyUI's encoders and nodes put more beside the tensors: numbers, words, lists of reference latents. All of it is kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

import torch

from ..protocols import TextCondition

_VALUES = "(values)"


def text_condition(entries: Mapping[str, Any], change: Callable[[torch.Tensor], torch.Tensor] = lambda tensor: tensor) -> TextCondition:
    """The condition of these entries, every tensor in it changed; an entry that is None counts as absent."""
    given = {name: mapped(value, change) for name, value in entries.items() if value is not None}
    return TextCondition(
        tensors={name: value for name, value in given.items() if torch.is_tensor(value)},
        values={name: value for name, value in given.items() if not torch.is_tensor(value)},
    )


def mapped(value: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """`value` with every tensor changed, also those inside of lists, tuples and mappings; anything else as it is."""
    if torch.is_tensor(value):
        return change(value)
    if type(value) in (list, tuple):
        return type(value)(mapped(entry, change) for entry in value)
    if type(value) is dict:
        return {name: mapped(entry, change) for name, entry in value.items()}
    return value


def packed(condition: TextCondition) -> dict[str, torch.Tensor] | None:
    """Named tensors that say all of the condition; None where it holds an object that no file can."""
    if not condition.values:
        return dict(condition.tensors)
    inner: list[torch.Tensor] = []
    try:
        text = json.dumps(_written(dict(condition.values), inner))
    except TypeError:
        return None
    letters = torch.tensor(list(text.encode()), dtype=torch.uint8)
    return {**condition.tensors, _VALUES: letters, **{f"{_VALUES}.{i}": tensor for i, tensor in enumerate(inner)}}


def unpacked(tensors: Mapping[str, torch.Tensor]) -> TextCondition:
    """The condition that `packed` made them of."""
    own = {name: tensor for name, tensor in tensors.items() if not name.startswith(_VALUES)}
    if _VALUES not in tensors:
        return TextCondition(tensors=own)
    text = bytes(tensors[_VALUES].tolist()).decode()
    return TextCondition(tensors=own, values=_read(json.loads(text), lambda i: tensors[f"{_VALUES}.{i}"]))


def digest(condition: TextCondition) -> str:
    """64 hex digits of the whole content; of an object that is no plain value, its type and its own tensors."""
    if not condition.values:
        return digest_of_tensors(condition.tensors)
    inner: list[torch.Tensor] = []
    text = json.dumps(_written(dict(condition.values), inner, foreign=True), sort_keys=True)
    parts = digest_of_tensors(condition.tensors), text, digest_of_tensors({str(i): tensor for i, tensor in enumerate(inner)})
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def digest_of_tensors(tensors: Mapping[str, torch.Tensor]) -> str:
    """64 hex digits of names, shapes and values."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        total.update(f"{name}{tuple(tensors[name].shape)}".encode() + tensors[name].float().numpy().tobytes())
    return total.hexdigest()


def _written(value: Any, inner: list[torch.Tensor], foreign: bool = False) -> Any:
    """JSON of a value: what is no plain word or number is [kind, content], a tensor its number in `inner`."""
    if torch.is_tensor(value):
        inner.append(value)
        return ["tensor", len(inner) - 1]
    if value is None or type(value) in (bool, int, float, str):
        return value
    if type(value) in (list, tuple):
        return [type(value).__name__, [_written(entry, inner, foreign) for entry in value]]
    if type(value) is dict and all(type(name) is str for name in value):
        return ["dict", {name: _written(entry, inner, foreign) for name, entry in value.items()}]
    if foreign:
        own = {name: entry for name, entry in sorted(getattr(value, "__dict__", {}).items()) if torch.is_tensor(entry)}
        return [type(value).__name__, _written({name: entry.detach().cpu() for name, entry in own.items()}, inner)]
    raise TypeError(f"a {type(value).__name__} cannot be written")


def _read(value: Any, tensor: Callable[[int], torch.Tensor]) -> Any:
    if not isinstance(value, list):
        return value
    kind, content = value
    if kind == "tensor":
        return tensor(content)
    if kind == "dict":
        return {name: _read(entry, tensor) for name, entry in content.items()}
    entries = [_read(entry, tensor) for entry in content]
    return tuple(entries) if kind == "tuple" else entries
