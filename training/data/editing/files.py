"""Small files changed by hand: only where they are as they were thought to be, and with a history that takes a change back."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from ...errors import FileError
from ...files.atomic import write_bytes
from ...files.refusals import refused
from ...files.strangers import leads_inside

MOST_EDITS, MOST_BYTES = 200, 256 << 20
"""How many edits, and bytes of files in them, one undo after the other takes back."""
MOST_IN_A_FILE = 32 << 20


@dataclass(frozen=True)
class FileChange:
    """A file's bytes before and after; None: there is no such file."""

    path: Path
    before: bytes | None
    after: bytes | None

    def back(self) -> "FileChange":
        return FileChange(self.path, self.after, self.before)


@dataclass
class Done:
    """What became of some changes: those that were made, and those whose file was another one by then, which is left as it is.
    `error` is why the rest was not begun."""

    made: list[FileChange]
    clashes: list[Path]
    error: FileError | None = None


def content(path: Path) -> bytes | None:
    """The file's bytes; None where there is none, or a link leads out of its folder. Raises FileError."""
    try:
        kind = os.lstat(path).st_mode
        if not stat.S_ISREG(kind) and not (stat.S_ISLNK(kind) and path.is_file() and leads_inside(path, path.parent)):
            return None
        with open(path, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            data = file.read() if size <= MOST_IN_A_FILE else b""
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FileError(f"{path.name} cannot be read ({error.strerror or error}). Check its rights.") from error
    if size > MOST_IN_A_FILE:
        raise FileError(f"{path.name} has more than {MOST_IN_A_FILE >> 20} MiB. Is it what its name says?")
    return data


def carry_out(changes: Iterable[FileChange]) -> Done:
    """Make the changes, one file after the other, each whole."""
    done = Done([], [])
    for change in changes:
        try:
            if content(change.path) != change.before:
                done.clashes.append(change.path)
                continue
            if change.after is None:
                _remove(change.path)
            elif change.after != change.before:
                write_bytes(change.path, change.after)
            done.made.append(change)
        except FileError as error:
            done.error = error
            break
    return done


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise refused(path, error) from error


@dataclass(frozen=True)
class Edit:
    """One thing that a person did. Edits that follow one another with the same `burst` are one: a caption while it is typed."""

    label: str
    changes: tuple[FileChange, ...]
    burst: str = ""

    @property
    def size(self) -> int:
        return sum(len(change.before or b"") + len(change.after or b"") for change in self.changes)


class History:
    """The edits of a folder, the last one first to be taken back."""

    def __init__(self) -> None:
        self._edits: list[Edit] = []
        self.lock = threading.RLock()
        """Held while files are changed, and while the history is."""

    @property
    def last(self) -> str | None:
        """What an undo would take back."""
        return self._edits[-1].label if self._edits else None

    def carry_out(self, label: str, changes: Iterable[FileChange], burst: str = "") -> Done:
        with self.lock:
            done = carry_out(changes)
            if done.made:
                self._add(Edit(label, tuple(done.made), burst))
            return done

    def _add(self, edit: Edit) -> None:
        before = self._edits[-1] if self._edits else None
        if before and edit.burst and before.burst == edit.burst and _goes_on(before, edit):
            self._edits[-1] = replace(before, changes=(replace(before.changes[0], after=edit.changes[0].after),))
        else:
            self._edits.append(edit)
        while len(self._edits) > MOST_EDITS or (len(self._edits) > 1 and sum(edit.size for edit in self._edits) > MOST_BYTES):
            self._edits.pop(0)

    def undo(self) -> tuple[str, Done] | None:
        """The last edit's label and what became of its files; None where there is none. Files that have changed since stay."""
        with self.lock:
            if not self._edits:
                return None
            edit = self._edits.pop()
            done = carry_out(change.back() for change in reversed(edit.changes))
            if done.error:
                self._edits.append(replace(edit, changes=edit.changes[: len(edit.changes) - len(done.made) - len(done.clashes)]))
            return edit.label, done


def _goes_on(before: Edit, edit: Edit) -> bool:
    return (
        len(before.changes) == len(edit.changes) == 1
        and before.changes[0].path == edit.changes[0].path
        and before.changes[0].after == edit.changes[0].before
    )
