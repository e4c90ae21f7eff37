"""Name -> factory, with errors that suggest the name that was meant."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from .errors import SettingsError
from .inputs import shown

T = TypeVar("T")
LONGEST = 100
"""Characters of a name for which near ones are sought: the time grows with the square."""


def near_names(name: str, known: list[str]) -> str:
    """A phrase for an error message: "Did you mean 'x'? Known: a, b, c." Case does not matter."""
    lower = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), lower, n=3, cutoff=0.5) if len(name) <= LONGEST else []
    hint = f"Did you mean {' or '.join(repr(lower[c]) for c in close)}? " if close else ""
    return f"{hint}Known: {', '.join(known)}."


class Registry(Generic[T]):
    """An ordered map of names; a name can be taken once.

    `kind` and `where` appear in the error for an unknown name: "optimizer" on "Optimizer node".
    """

    def __init__(self, kind: str, where: str):
        self.kind = kind
        self.where = where
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        def add(entry: T) -> T:
            if name in self._entries:
                raise ValueError(f"the {self.kind} '{name}' is registered twice")
            self._entries[name] = entry
            return entry

        return add

    def get(self, name: str) -> T:
        """The entry called `name`. Raises SettingsError that lists near names."""
        if name not in self._entries:
            raise SettingsError(self.where, [f"unknown {self.kind} '{shown(name)}'. {near_names(name, self.names())}"])
        return self._entries[name]

    def names(self) -> list[str]:
        return list(self._entries)

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)
