"""A file of kohya's while it is read: its keys, what they became here, and which were not understood."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from ..inputs import SHORT, shown
from .record import Setting, Unread, Value

#: What stands for "off" or "nothing said" in the files of the GUI, which name every key.
_OFF = {"", "0", "0.0", "none", "false", "no", "[]", "{}"}
KOHYA = "kohya's trainer"


class Config:
    """Readers take keys and put widgets; whatever nobody took is told at the end. Numbers may be texts, as the GUI writes some."""

    def __init__(self, keys: Mapping[str, Any]):
        self.keys = dict(keys)
        self.settings: dict[tuple[str, str], Setting] = {}
        self._unread: dict[str, str] = {}
        self._taken: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self.keys

    def is_on(self, key: str) -> bool:
        """Whether the key is there and says something else than off."""
        return key in self.keys and str(self.keys[key]).strip().lower() not in _OFF

    def text(self, key: str) -> str:
        self._taken.add(key)
        return str(self.keys.get(key, "")).strip() if self.keys.get(key) is not None else ""

    def number(self, key: str) -> float | None:
        """None where it is left out, empty, or no finite number; the latter is told."""
        text = self.text(key)
        try:
            found = float(text) if text and text.lower() not in ("none", "true", "false") else None
        except ValueError:
            self.refuse(key, "it is no number")
            return None
        if found is not None and not math.isfinite(found):
            self.refuse(key, "it is no finite number")
            return None
        return found

    def whole(self, key: str) -> int | None:
        found = self.number(key)
        return None if found is None else round(found)

    def flag(self, key: str) -> bool:
        self._taken.add(key)
        return self.is_on(key)

    def put(self, node: str, widget: str, value: Value | None, *keys: str) -> None:
        """Set a widget to what the keys say; nothing where `value` is None. Keys that are not in the file: kohya's default is meant."""
        self._taken.update(keys)
        if value is None or (isinstance(value, str) and len(value) > SHORT):
            return
        said = ", ".join(f"{key} = {shown(_plain(self.keys[key]), 60)}" for key in keys if key in self.keys)
        why = {"en": said or "not in the file: kohya's default", "zh": said or "文件中没有：kohya 的默认值"}
        self.settings[node, widget] = Setting(node=node, widget=widget, value=value, why=why, source=KOHYA)

    def same(self, node: str, names: Mapping[str, tuple[str, type]]) -> None:
        """Keys that mean just what a widget means: key -> (widget, type)."""
        for key, (widget, kind) in names.items():
            if key in self.keys:
                value = {int: self.whole, float: self.number, bool: self.flag, str: self.text}[kind](key)
                self.put(node, widget, value, key)

    def refuse(self, key: str, why: str) -> None:
        self._taken.add(key)
        self._unread[key] = why

    def rest(self, elsewhere: Mapping[str, str]) -> tuple[tuple[Unread, ...], tuple[str, ...]]:
        """(what sets nothing here, with the reason; the keys of what is off in the file)."""
        left = [key for key in self.keys if key not in self._taken]
        off = [key for key in left if not self.is_on(key)]
        why = {**{key: elsewhere.get(key, "not known here") for key in left if key not in off}, **self._unread}
        unread = (Unread(key=key, value=shown(_plain(self.keys.get(key, "")), 60), why=reason) for key, reason in why.items())
        return tuple(unread), tuple(off)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)
