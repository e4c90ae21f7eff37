"""A disk that fills up, or refuses, below the pack's own writer: every byte passes `atomic.put`."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pack.training.files.atomic as atomic


class Disk:
    """`refuses(name)` says whether a file of this name (that of the place that it is meant for) is refused now, with `number`."""

    def __init__(self, monkeypatch):
        self.refuses: Callable[[str], bool] = lambda name: False
        self.number = errno.ENOSPC
        self.refused: list[str] = []
        self._put = atomic.put
        monkeypatch.setattr(atomic, "put", self.put)
        monkeypatch.setattr(atomic, "WAITS", [0.0, 0.0])

    def put(self, file, data) -> None:
        name = _meant(file.name)
        if not self.refuses(name):
            return self._put(file, data)
        self.refused.append(name)
        self._put(file, memoryview(data)[: len(data) // 2])  # a disk that is full took a part of it
        raise OSError(self.number, os.strerror(self.number), str(file.name))


def _meant(path) -> str:
    """'run.json' of '/.../.run.json.123.part'."""
    name = Path(path).name
    return name[1:].rsplit(".", 2)[0] if name.endswith(".part") else name
