"""log.jsonl: every record of a run, one a line, readable while the run goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, Any

from ..events import Event, Progress, RunEnded, RunStarted
from .records import record

LOG_NAME = "log.jsonl"


def parse_line(line: bytes) -> dict[str, Any] | None:
    """The record of one whole line; None for a line that was cut off, or is no record."""
    if not line.endswith(b"\n"):
        return None
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


def keep_until(path: Path, step: int) -> None:
    """Cut the log before its first record of a later step, or before a line that a kill left unfinished.

    A resumed run goes on from `step`; what came after it will happen, and be logged, again.
    """
    if not path.is_file():
        return
    with path.open("rb+") as file:
        end = 0
        for line in file:
            entry = parse_line(line)
            if entry is None or (entry.get("step") or 0) > step:
                break
            end += len(line)
        file.truncate(end if step else 0)


class JsonlLog:
    """Writes log.jsonl. Progress is left out: it matters only while it lasts.

    What happens before RunStarted (a warning about the dataset) is held until the resumed step is known.
    """

    critical = False

    def __init__(self, folder: Path):
        self._path = folder / LOG_NAME
        self._file: IO[str] | None = None
        self._early: list[dict[str, Any]] = []
        self._ended = False

    def __call__(self, event: Event) -> None:
        if isinstance(event, Progress):
            return
        if isinstance(event, RunStarted):
            keep_until(self._path, event.start_step)
            self._write(record(event), *self._take_early())
        elif isinstance(event, RunEnded):
            self._write(*self._take_early(), record(event))
            self._close()
            self._ended = True
        elif self._ended:
            # What is found out about the files once the run is over.
            self._write(record(event))
            self._close()
        elif self._file is None:
            self._early.append(record(event))
        else:
            self._write(record(event))

    def _opened(self) -> IO[str]:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Line buffering hands every record to the system at once: a killed run loses none.
            self._file = self._path.open("a", encoding="utf-8", buffering=1)
        return self._file

    def _take_early(self) -> list[dict[str, Any]]:
        early, self._early = self._early, []
        return early

    def _write(self, *entries: dict[str, Any]) -> None:
        file = self._opened()
        for entry in entries:
            file.write(json.dumps(entry, ensure_ascii=False, separators=(",", ":")) + "\n")

    def _close(self) -> None:
        self._opened().close()
        self._file = None
