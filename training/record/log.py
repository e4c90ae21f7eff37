"""log.jsonl: every record of a run, one a line, readable while the run goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..events import Event, Progress, RunEnded, RunStarted
from ..files.atomic import append
from ..files.strangers import leads_inside, parse
from ..files.tail import backwards
from .records import is_record, record

LOG_NAME = "log.jsonl"


def parse_line(line: bytes) -> dict[str, Any] | None:
    """The record of one whole line; None for a line that was cut off, or is no record."""
    if not line.endswith(b"\n"):
        return None
    try:
        entry = parse(line)
    except ValueError:
        return None
    return entry if is_record(entry) else None


def keep_until(path: Path, step: int) -> None:
    """Cut the log before its first record of a later step, or before a line that a kill left unfinished; a line that is damaged
    stays. A link that leads out of the run's folder is taken away: what it leads to is not ours to cut.

    A resumed run goes on from `step`; what came after it will happen, and be logged, again. Only that is read.
    """
    if path.is_symlink() and not leads_inside(path, path.parent):
        path.unlink()
    if not path.is_file():
        return
    with path.open("rb+") as file:
        end = file.seek(0, os.SEEK_END)
        for begin, line in backwards(file):
            entry = parse_line(line)
            if not line.endswith(b"\n") or (entry is not None and (entry.get("step") or 0) > step):
                end = begin
            elif is_step_until(entry, step):
                break
        file.truncate(end if step else 0)


def is_step_until(entry: Mapping[str, Any] | None, step: int) -> bool:
    """Whether it is the record of a step up to `step`: what stands before it in a log is of no later one."""
    return entry is not None and entry["event"] == "step" and entry["step"] <= step


class JsonlLog:
    """Writes log.jsonl. Progress is left out: it matters only while it lasts.

    What happens before RunStarted (a warning about the dataset) is held until the resumed step is known, and what the disk
    refuses until it takes it.
    """

    name = LOG_NAME
    critical = False

    def __init__(self, folder: Path):
        self._path = folder / LOG_NAME
        self._waiting: list[bytes] = []
        self._cut_at: int | None = None
        self._is_open = False

    def __call__(self, event: Event) -> None:
        if isinstance(event, Progress):
            return
        line = json.dumps(record(event), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        if isinstance(event, RunStarted):
            self._waiting.insert(0, line)
            self._cut_at = event.start_step
        else:
            self._waiting.append(line)
        self._is_open = self._is_open or isinstance(event, (RunStarted, RunEnded))
        if self._is_open:
            self._write()

    def _write(self) -> None:
        """A killed run loses none: every record is handed to the system at once."""
        if self._cut_at is not None:
            keep_until(self._path, self._cut_at)
            self._cut_at = None
        append(self._path, b"".join(self._waiting))
        self._waiting.clear()
