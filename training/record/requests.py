"""Wishes of another process for a run: one small file each in the run's folder, taken and removed by the process that trains.

A file is one wish, whole or not there, under a name of its own, so two panels that ask at once lose none. It names the holder of the
run's lock that it is meant for: what was asked of a run that has ended is never done to the one that goes on in its folder.
"""

from __future__ import annotations

import json
import math
import os
import time
import uuid
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

from ..files.atomic import write_text
from ..files.strangers import leads_inside, parse

REQUESTS_FOLDER = "requests"
SECONDS_BETWEEN_LOOKS = 1.0
_MOST_BYTES = 4096
_AT_ONCE = 20


def is_request(folder: Path, file: Path) -> bool:
    """Whether `file` is a wish for the run in `folder`: it is nothing that a run has left."""
    return file.parent == folder / REQUESTS_FOLDER and file.suffix == ".json"


def put_request(folder: Path, to: str, action: str, value: float | None = None) -> Path:
    """The file of a wish for the run in `folder`, whose lock has the token `to`. Raises DiskError, ValueError when the folder's requests
    lead out of it."""
    place = folder / REQUESTS_FOLDER
    if not leads_inside(place, folder):
        raise ValueError(f"the folder {REQUESTS_FOLDER} of '{folder.name}' leads out of the run's folder")
    path = place / f"{time.time_ns():020d}-{uuid.uuid4().hex}.json"
    write_text(path, json.dumps({"to": to, "action": action, "value": value}))
    return path


class Inbox:
    """The wishes for the run in `folder`, for the process that holds its lock under `token`."""

    def __init__(self, folder: Path, token: str, clock: Callable[[], float] = time.monotonic):
        self._folder, self._token, self._clock = folder, token, clock
        self._looked_at = -math.inf
        self._stuck: set[str] = set()  # what cannot be removed is taken once all the same

    def take(self) -> list[dict[str, Any]]:
        """{"action", "value"} of each new wish, the oldest first; {} for a file that holds none. Looks once a second; raises nothing."""
        if self._clock() - self._looked_at < SECONDS_BETWEEN_LOOKS:
            return []
        self._looked_at = self._clock()
        place = self._folder / REQUESTS_FOLDER
        try:
            names = sorted(os.listdir(place)) if leads_inside(place, self._folder) else []
        except OSError:  # nobody has asked for anything
            return []
        new = [name for name in names if name.endswith(".json") and name not in self._stuck][:_AT_ONCE]
        contents = [self._content(place / name) for name in new]
        return [{name: content.get(name) for name in ("action", "value")} if content else {}
                for content in contents if not content or content.get("to") == self._token]

    def _content(self, path: Path) -> dict[str, Any]:
        """What the file holds, which is then gone; {} where that is no JSON object, or is none of the folder's."""
        try:
            is_file = path.is_file() and leads_inside(path, self._folder)  # not a pipe, which nobody may ever write to
            with path.open("rb") if is_file else BytesIO() as file:
                text = file.read(_MOST_BYTES + 1)
            content = parse(text) if len(text) <= _MOST_BYTES else None
        except (OSError, ValueError):
            content = None
        try:
            path.unlink()
        except OSError:
            self._stuck.add(path.name)
        return content if isinstance(content, dict) else {}
