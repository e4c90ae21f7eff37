"""Space that a run sets aside, and gives up at its end: on a full disk it can still be written down how the run ended."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from ..events import Event, RunEnded, RunStarted
from ..files.atomic import temporary_of, write_bytes

SIZE = 1 << 18


class Reserve:
    """Put it before the listeners that write. A killed run's is removed with its other left-overs."""

    name = "the space for the run's last records"
    critical = False

    def __init__(self, folder: Path):
        self._path = temporary_of(folder / "reserve")

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            write_bytes(self._path, os.urandom(SIZE))  # zeros would take no space where the file system packs them
        elif isinstance(event, RunEnded):
            with suppress(OSError):
                self._path.unlink()
