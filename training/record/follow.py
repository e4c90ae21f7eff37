"""A run's log read on as it grows, by a process that does not write it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..files.strangers import leads_inside
from .log import LOG_NAME, parse_line

_AT_ONCE = 1 << 20


class Following:
    """Gives what is added to the log in `folder` from now on. The log may not be there yet."""

    def __init__(self, folder: Path):
        self._path = folder / LOG_NAME
        self._end = 0
        self._last = b""  # the line before `_end`: where it is another one, the log was cut and written on
        self._go_to_end()

    def added(self) -> list[dict[str, Any]] | None:
        """The records of the whole lines since the last call, of 1 MiB at most; None where what was read before is not there any more, as
        when a run goes on from an earlier step. It goes on from the log's end then."""
        text = self._read()
        if text is None:
            return []
        if not text.startswith(self._last):
            self._go_to_end()
            return None
        new = text[len(self._last) : text.rfind(b"\n") + 1]
        if not new:
            return []
        lines = new.splitlines(keepends=True)
        self._end += len(new)
        self._last = lines[-1]
        return [entry for line in lines if (entry := parse_line(line)) is not None]

    def _read(self) -> bytes | None:
        try:
            if not leads_inside(self._path, self._path.parent):
                return None
            with self._path.open("rb") as file:
                file.seek(self._end - len(self._last))
                return file.read(len(self._last) + _AT_ONCE)
        except OSError:
            return b"" if self._last else None

    def _go_to_end(self) -> None:
        self._end, self._last = 0, b""
        try:
            with self._path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(size - _AT_ONCE, 0))
                text = file.read(size)
        except OSError:
            return
        whole = text[: text.rfind(b"\n") + 1]
        self._end = size - len(text) + len(whole)
        self._last = whole.splitlines(keepends=True)[-1] if whole else b""
