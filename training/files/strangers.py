"""Documents in a folder that others may have filled: read where they lie and nowhere else, and told without the machine's paths."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

#: An absolute path of any system: in quotes whole, else up to the next space. Its last part stays.
_IN_QUOTES = re.compile(r"""(['"])(?:/|[A-Za-z]:[\\/]|\\\\)[^'"\n]*[\\/]([^'"\\/\n]+)\1""")
_PLAIN = re.compile(r"""(?<![\w.~/\\])(?<!:(?=//))(?:/|[A-Za-z]:[\\/]|\\\\)(?:[^\s'"/\\]+[\\/])+([^\s'"/\\]+)""")


def read_inside(folder: Path, name: str) -> bytes | None:
    """The content of the file `name` of `folder`; None where there is none, it cannot be read, or a link leads out of the folder."""
    path = folder / name
    try:
        return path.read_bytes() if path.is_file() and leads_inside(path, folder) else None
    except OSError:
        return None


def leads_inside(path: Path, folder: Path) -> bool:
    """Whether `path`, links followed, lies in `folder`."""
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # links that lead in a circle
        return False


def circle(folder: Path) -> Path | None:
    """A link below `folder` that leads to a folder that holds it: whoever follows links never comes to an end there. Other links are
    followed, each folder once."""
    on_the_way: set[str] = set()
    seen: set[str] = set()

    def walk(place: str) -> str | None:
        real = os.path.realpath(place)
        if real in on_the_way:
            return place
        if real in seen:
            return None
        seen.add(real)
        on_the_way.add(real)
        found = next(filter(None, map(walk, _folders(place))), None)
        on_the_way.discard(real)
        return found

    on_the_way.update(map(str, folder.resolve().parents))
    found = walk(str(folder))
    return Path(found) if found else None


def _folders(place: str) -> list[str]:
    try:
        with os.scandir(place) as entries:
            return [entry.path for entry in entries if entry.is_dir()]
    except OSError:
        return []


def parse(text: bytes) -> Any:
    """The JSON value of `text`, which can be written again so that every reader takes it. Raises ValueError."""
    try:
        value = json.loads(text, parse_constant=lambda name: None)
        json.dumps(value, allow_nan=False)
    except RecursionError:
        raise ValueError("nested too deep") from None
    return value


def without_paths(text: str) -> str:
    """`text` with the last part of each absolute path alone: what leaves this machine says nothing of its folders."""
    return _PLAIN.sub(r"\1", _IN_QUOTES.sub(r"\1\2\1", text))
