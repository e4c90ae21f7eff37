"""log.jsonl: every record of a run, one a line, readable while the run goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, Any

from ..events import Event, Progress, RunEnded, RunStarted
from .records import record

LOG_NAME = "log.jsonl"


def keep_until(path: Path, step: int) -> None:
    """Cut the log before its first record of a later step, or before a line that a kill left unfinished.

    A resumed run goes on from `step`; what came after it will happen, and be logged, again.
    """
    if not path.is_file():
        return
    with path.open("rb+") as file:
        end = 0
        for line in file:
            try:
                entry = json.loads(line)
            except ValueError:
                break
            if not line.endswith(b"\n") or (entry.get("step") or 0) > step:
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

    def __call__(self, event: Event) -> None:
        if isinstance(event, Progress):
            return
        if isinstance(event, RunStarted):
            self._open(event.start_step)
        if self._file is None and not isinstance(event, RunEnded):
            self._early.append(record(event))
            return
        self._write(record(event))
        if isinstance(event, RunEnded):
            self._close()

    def _open(self, start_step: int) -> None:
        keep_until(self._path, start_step)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Line buffering hands every record to the system at once: a killed run loses none.
        self._file = self._path.open("a", encoding="utf-8", buffering=1)

    def _write(self, entry: dict[str, Any]) -> None:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("a", encoding="utf-8", buffering=1)
        first = entry["event"] in ("started", "ended")
        for line in [entry, *self._early] if first else [entry]:
            self._file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
        self._early.clear()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
