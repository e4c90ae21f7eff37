"""A file appears whole or not at all: written beside its place under a temporary name, then renamed.

Every byte that a run leaves on disk passes `put`, and every whole file `rename`: there tests and the soak make a disk fail.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from .refusals import refused

WAITS = [1.0, 4.0]
"""Seconds after which a precious file that could not be written is tried again."""
_RENAME_TRIES = 5
_LEFT_OVER = re.compile(r"\..+\.\d+\.part")


def put(file: FileIO, data: bytes | memoryview) -> None:
    """Write all of `data`; a disk that fills up may take a part of it first."""
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


def rename(source: Path, target: Path) -> None:
    """`os.replace`, patient with Windows, where a reader holds the target for a moment."""
    for attempt in range(_RENAME_TRIES):
        try:
            os.replace(source, target)
            return
        except PermissionError:
            if attempt == _RENAME_TRIES - 1:
                raise
            time.sleep(0.02 * 2**attempt)


def write_whole(path: Path, pieces: Callable[[], Iterable[bytes | memoryview]], *, precious: bool = False) -> None:
    """Replace `path` by what `pieces` gives. A precious file is one that cannot be made again: it is tried again when the disk
    refuses it, and lies on the disk itself when this returns. Raises DiskError; the file of before is still there then."""
    for wait in [*(WAITS if precious else []), None]:
        try:
            with _replacing(path) as temporary, temporary.open("wb", buffering=0) as file:
                for piece in pieces():
                    put(file, piece)
                if precious:
                    os.fsync(file.fileno())  # or a power cut after the renaming could leave an empty file
            return
        except OSError as error:
            if wait is None:
                raise refused(path, error) from error
            time.sleep(wait)


def write_bytes(path: Path, data: bytes, *, precious: bool = False) -> None:
    """Replace the file's content. Raises DiskError."""
    write_whole(path, lambda: [data], precious=precious)


def write_text(path: Path, text: str, *, precious: bool = False) -> None:
    """Replace the file's text. Raises DiskError."""
    write_bytes(path, text.encode("utf-8"), precious=precious)


def append(path: Path, data: bytes) -> None:
    """Add to the file's end: all of it, or nothing. Raises DiskError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab", buffering=0) as file:
            end = file.seek(0, os.SEEK_END)
            try:
                put(file, data)
            except OSError:
                file.truncate(end)
                raise
    except OSError as error:
        raise refused(path, error) from error


def temporary_of(path: Path, process: int | None = None) -> Path:
    """What the file is called until it is whole, by this process or another one."""
    return path.with_name(f".{path.name}.{process or os.getpid()}.part")


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; on success it takes the place of `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_of(path)
    try:
        yield temporary
        rename(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def is_left_over(path: Path) -> bool:
    """Whether the name is that of a file half written; nobody needs it once its writer is gone."""
    return _LEFT_OVER.fullmatch(path.name) is not None


def remove_left_overs(folder: Path) -> None:
    """Of writers that were killed, below `folder`, which nobody else may write to now."""
    for where, _, names in os.walk(folder):
        for path in (Path(where) / name for name in names):
            if is_left_over(path):
                with suppress(OSError):
                    path.unlink()
