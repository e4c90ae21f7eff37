"""File names that every system takes, made from what people type."""

from __future__ import annotations

import re

#: Windows keeps these for devices, whatever ending follows.
_DEVICES = frozenset({"CON", "PRN", "AUX", "NUL", *(f"{port}{number}" for port in ("COM", "LPT") for number in range(1, 10))})
_REFUSED = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')


def file_name(text: str) -> str:
    """`text` with an underscore for each sign that some system refuses in names, and before a name that is a device on Windows; without
    spaces and dots around it; "" when nothing is left."""
    name = _REFUSED.sub("_", text.strip()).strip(" .")
    return f"_{name}" if name.split(".")[0].upper() in _DEVICES else name


def file_path(text: str) -> list[str]:
    """The names in a path with / or \\ between, each as `file_name` makes it; a part of which nothing is left is ""."""
    return [file_name(part) for part in text.strip().replace("\\", "/").split("/")]
