"""Specs as plain values: described for people and files, and compared when a run goes on.

What a run is made of follows from the specs by itself: every field of every spec counts, unless it says that it is `free`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, field, fields, is_dataclass
from typing import Any

_FREE = "free to change when a run is resumed"


def free(default: Any = MISSING, **options: Any) -> Any:
    """A dataclass field that may have another value when a run is resumed: what is learned does not depend on it, or the
    user may decide anew (a rate, a length). Every other field must be what it was."""
    return field(default=default, metadata={_FREE: True}, **options)


def describe(choice: Any) -> Any:
    """A spec or choice as JSON-ready values; each typed choice carries its name under 'type'. Fields that are left out of
    its repr (a file's tensors) are left out here too."""
    if isinstance(choice, Mapping):
        return {name: describe(value) for name, value in choice.items()}
    if isinstance(choice, (tuple, list)):
        return [describe(entry) for entry in choice]
    if not is_dataclass(choice):
        return choice
    return {"type": type(choice).__name__, **{f.name: describe(getattr(choice, f.name)) for f in _told(choice)}}


def compared(spec: Any, prefix: str = "") -> dict[str, Any]:
    """Name -> JSON-ready value of every field of `spec` that must stay the same, in one level: 'targets.preset'. A choice
    between types stands under its own name with the type's: 'loss' -> 'Huber', 'loss.c' -> 0.1."""
    found: dict[str, Any] = {}
    for each in _told(spec):
        if _FREE in each.metadata:
            continue
        value = getattr(spec, each.name)
        if is_dataclass(value):
            found[prefix + each.name] = type(value).__name__
            found |= compared(value, f"{prefix}{each.name}.")
        else:
            found[prefix + each.name] = describe(value)
    return found


def usual(spec: Any, prefix: str = "") -> dict[str, Any]:
    """The same names with the defaults of the fields: what a setting was before anybody could set it."""
    found: dict[str, Any] = {}
    for each in _told(spec):
        value, default = getattr(spec, each.name), _default(each)
        if is_dataclass(value):
            found[prefix + each.name] = type(default).__name__ if is_dataclass(default) else describe(default)
            found |= usual(value, f"{prefix}{each.name}.")
        else:
            found[prefix + each.name] = describe(default)
    return found


def departures(spec: Any) -> dict[str, Any]:
    """What of `compared` is not the default: stays the same when the spec gets another field."""
    defaults = usual(spec)
    return {name: value for name, value in compared(spec).items() if value != defaults[name]}


def differences(before: Mapping[str, Any], now: Any, prefix: str = "") -> list[str]:
    """One phrase for each setting of the spec `now` that is not what `before` holds: `compared` of the spec of another day. A
    setting that `before` does not know is held against its default."""
    defaults = usual(now, prefix)
    return [
        f"{name} was {told(before.get(name, defaults[name]))}, is now {told(value)}"
        for name, value in compared(now, prefix).items()
        if before.get(name, defaults[name]) != value
    ]


def told(value: Any) -> str:
    """A value as a person would write it."""
    return "not set" if value is None or value in ("", [], {}) else str(value)


def _told(spec: Any) -> list[Field]:
    return [each for each in fields(spec) if each.repr]


def _default(each: Field) -> Any:
    return each.default_factory() if each.default_factory is not MISSING else None if each.default is MISSING else each.default
