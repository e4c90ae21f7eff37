"""A file of the main process where others cannot see it, or see another of its name: it is sent to them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import torch

from ..files.atomic import write_whole
from .processes import Processes

_AT_ONCE = 1 << 25


def at_hand(processes: Processes, path: Path) -> None:
    """All processes call it together. Afterwards the file lies at `path` for all of them, as the main one has it. Raises DiskError where
    it cannot be written."""
    if processes.size == 1:
        return
    digests = processes.gathered(f"the file {path.name}", _digest(path))
    size = processes.told(f"the size of {path.name}", path.stat().st_size if processes.is_main else 0)
    pieces = _pieces(processes, path, size)
    if len(set(digests)) == 1:
        return
    if digests[processes.rank] == digests[0]:
        for _ in pieces:
            pass
    else:
        write_whole(path, lambda: pieces)


def _pieces(processes: Processes, path: Path, size: int) -> Iterator[bytes]:
    """The sum of what the main process reads and of the others' zeros."""
    for start in range(0, size, _AT_ONCE):
        piece = torch.zeros(min(_AT_ONCE, size - start), dtype=torch.uint8)
        if processes.is_main:
            with path.open("rb") as file:
                file.seek(start)
                piece = torch.frombuffer(bytearray(file.read(len(piece))), dtype=torch.uint8)
        processes.are_ready(True)
        processes.reduce(piece)
        yield piece.numpy().tobytes()


def _digest(path: Path) -> str | None:
    with suppress(OSError), path.open("rb") as file:
        found = hashlib.sha256()
        while piece := file.read(_AT_ONCE):
            found.update(piece)
        return found.hexdigest()
    return None
