"""A setting of a choice and the widget that sets it, in one place: the dataclass field carries both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

_SAME = object()


@dataclass(frozen=True, slots=True)
class Widget:
    """What the canvas shows for a setting. Its type is that of `default`; a text with `options` is a list to choose from.
    `basic` ones are always shown, the others are folded away."""

    name: str
    default: Any
    tooltip: str = field(kw_only=True)
    least: float | None = field(default=None, kw_only=True)
    most: float | None = field(default=None, kw_only=True)
    step: float | None = field(default=None, kw_only=True)
    options: tuple[str, ...] = field(default=(), kw_only=True)
    basic: bool = field(default=False, kw_only=True)


def setting(widget: Widget, default: Any = _SAME) -> Any:
    """A dataclass field that `widget` sets. Several choices may share a widget; `default` is the field's own, where it differs."""
    return field(default=widget.default if default is _SAME else default, metadata={"widget": widget})


def widgets_of(kind: type) -> Iterator[tuple[str, Widget]]:
    """(field, widget) of every setting of a choice."""
    return ((one.name, one.metadata["widget"]) for one in fields(kind) if "widget" in one.metadata)


def settings_from(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of `kind` by field, from `values` by widget."""
    return {name: values[widget.name] for name, widget in widgets_of(kind)}
