"""Specs as plain values: described for people and files, and compared when a run goes on.

What a run is made of follows from the specs by itself: every field of every spec counts, unless it says that it is `free`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from textwrap import shorten
from typing import Any

LONGEST = 80
"""Signs of a value in a message."""

_FREE, _CALLED, _QUIET, _STANDS_FOR = "free to change when a run is resumed", "called", "not worth telling", "stands for"


def free(default: Any = MISSING, *, quiet: bool = False, **options: Any) -> Any:
    """A dataclass field that may have another value when a run is resumed: what is learned does not depend on it, or the
    user may decide anew (a rate, a length). Every other field must be what it was. A `quiet` one is not told when it changed."""
    return field(default=default, metadata={_FREE: True, _QUIET: quiet}, **options)


def called(name: str) -> dict[str, Any]:
    """Metadata of a field that the canvas calls `name`, where that is not the field's path."""
    return {_CALLED: name}


def stands_for(content: str) -> dict[str, Any]:
    """Metadata of a digest that stands for `content`, such as 'the file': digests tell people nothing."""
    return {_STANDS_FOR: content}


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


@dataclass(frozen=True)
class _Setting:
    """A field of a spec or of a choice within it; `name` is its path, 'targets.preset', `value` and `default` are JSON-ready."""

    name: str
    called: str
    value: Any
    default: Any
    is_free: bool
    is_quiet: bool
    stands_for: str | None

    def change(self, before: Any) -> str:
        if self.stands_for:
            return f"{self.stands_for} is another one"
        return f"{self.called} was {told(before)}, is now {told(self.value)}"


def compared(spec: Any, prefix: str = "") -> dict[str, Any]:
    """Name -> JSON-ready value of every field of `spec` that must stay the same, in one level: 'targets.preset'. A choice
    between types stands under its own name with the type's: 'loss' -> 'Huber', 'loss.c' -> 0.1."""
    return {prefix + each.name: each.value for each in _settings(spec) if not each.is_free}


def allowed(spec: Any, prefix: str = "") -> dict[str, Any]:
    """The same of the fields that are free."""
    return {prefix + each.name: each.value for each in _settings(spec) if each.is_free}


def departures(spec: Any) -> dict[str, Any]:
    """What of `compared` is not the default: stays the same when the spec gets another field."""
    return {each.name: each.value for each in _settings(spec) if not each.is_free and each.value != each.default}


def differences(before: Mapping[str, Any], now: Any, prefix: str = "") -> list[str]:
    """One phrase for each setting of the spec `now` that is not what `before` holds: `compared` of the spec of another day. A
    setting that `before` does not know is held against its default."""
    return _changes(before, [each for each in _settings(now) if not each.is_free], prefix)


def allowed_differences(before: Mapping[str, Any], now: Any, prefix: str = "") -> list[str]:
    """The same for `allowed`, without what is not worth telling."""
    return _changes(before, [each for each in _settings(now) if each.is_free and not each.is_quiet], prefix)


def _changes(before: Mapping[str, Any], settings: Iterable[_Setting], prefix: str) -> list[str]:
    then = [(each, before.get(prefix + each.name, each.default)) for each in settings]
    return [prefix + each.change(value) for each, value in then if value != each.value]


def told(value: Any) -> str:
    """A value as a person would write it, on one short line."""
    return "not set" if value is None or value in ("", [], {}) else shorten(str(_plain(value)), LONGEST)


def _plain(value: Any) -> Any:
    """A described choice without its type and without what is not set."""
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    if isinstance(value, Mapping):
        return {name: _plain(entry) for name, entry in value.items() if name != "type" and entry is not None}
    return value


def _settings(spec: Any, path: str = "", is_free: bool = False) -> Iterator[_Setting]:
    for each in _told(spec):
        value, default, meta = getattr(spec, each.name), _default(each), each.metadata
        found = _Setting(
            name=path + each.name, called=_name_on_canvas(each, path), value=_short(value), default=_short(default),
            is_free=is_free or _FREE in meta, is_quiet=meta.get(_QUIET, False), stands_for=meta.get(_STANDS_FOR),
        )
        yield found
        if is_dataclass(value):
            yield from _settings(value, f"{found.name}.", found.is_free)


def _short(value: Any) -> Any:
    return type(value).__name__ if is_dataclass(value) else describe(value)


def _name_on_canvas(each: Field, path: str) -> str:
    widget = each.metadata.get("widget")
    return each.metadata.get(_CALLED) or (widget.name if widget else path + each.name)


def _told(spec: Any) -> list[Field]:
    return [each for each in fields(spec) if each.repr]


def _default(each: Field) -> Any:
    return each.default_factory() if each.default_factory is not MISSING else None if each.default is MISSING else each.default
