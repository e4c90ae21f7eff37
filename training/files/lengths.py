"""How long names and paths may be, so that a name which is too long is refused before anything is written under it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..wording import shortened


@dataclass(frozen=True)
class Lengths:
    """The most that a name and a whole path may have, in `unit`: bytes, or characters as Windows counts them."""

    name: int
    path: int
    windows: bool = False

    @property
    def unit(self) -> str:
        return "characters" if self.windows else "bytes"

    def of(self, text: str) -> int:
        return len(text.encode("utf-16-le", "surrogatepass")) // 2 if self.windows else len(os.fsencode(text))


WINDOWS = Lengths(name=255, path=259, windows=True)
WINDOWS_LONG_PATHS = Lengths(name=255, path=32766, windows=True)


def lengths_at(folder: Path) -> Lengths:
    """Those of the file system that `folder` lies on, or will lie on."""
    if sys.platform == "win32":
        return WINDOWS_LONG_PATHS if _takes_long_paths() else WINDOWS
    there = next(place for place in (folder, *folder.parents) if place.is_dir())
    try:
        return Lengths(name=os.pathconf(there, "PC_NAME_MAX"), path=os.pathconf(there, "PC_PATH_MAX") - 1)
    except (OSError, ValueError):
        return Lengths(name=255, path=1023)


def _takes_long_paths() -> bool:
    if sys.platform != "win32":
        return False
    import ctypes

    try:
        return bool(ctypes.windll.ntdll.RtlAreLongPathsEnabled())
    except (AttributeError, OSError):
        return False


@dataclass(frozen=True)
class TooLong:
    """What is too long, and by how much; a whole path becomes shorter in another folder too."""

    told: str
    over: int
    is_path: bool


def too_long(files: Iterable[Path], lengths: Lengths) -> TooLong | None:
    """The worst of `files`; None when all of them fit."""
    found = []
    for file in files:
        short = shortened(file.name)
        name, path = lengths.of(file.name), lengths.of(str(file))
        found += [
            TooLong(f"the name of '{short}' has {name} {lengths.unit}, and this disk takes {lengths.name}", name - lengths.name, False),
            TooLong(f"the path of '{short}' has {path} {lengths.unit}, and this system takes {lengths.path}", path - lengths.path, True),
        ]
    worst = max(found, key=lambda each: each.over, default=None)
    return worst if worst and worst.over > 0 else None
