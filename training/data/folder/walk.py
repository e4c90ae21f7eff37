"""What lies in a folder, and nothing of what lies outside it; and a fingerprint that changes with it."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import DatasetError
from ..decoding import WHERE
from .index import Stamp

MAX_FILES = 200_000
_IGNORED_FOLDERS = ("__macosx", "$recycle.bin", "@eadir")


@dataclass(frozen=True)
class File:
    """A regular file. `name` is its path below the dataset's folder, with '/'."""

    path: Path
    name: str
    stamp: Stamp


@dataclass
class Folder:
    """One folder's files by name. `name` is its path below the dataset ('' for the dataset itself), with '/'."""

    path: Path
    name: str
    files: dict[str, File] = field(default_factory=dict)
    _folded: dict[str, File] | None = None

    def find(self, name: str) -> File | None:
        """The file of this name; else one that differs only in case or in how accents are encoded."""
        if name in self.files:
            return self.files[name]
        if self._folded is None:
            self._folded = {fold(key): file for key, file in self.files.items()}
        return self._folded.get(fold(name))


def walk(root: Path, *, recursive: bool, skipped: list[str]) -> Iterator[Folder]:
    """Each folder from `root` down, sorted by name. Links that lead out of `root` are named in `skipped`.

    Folders that are links are not entered (so loops end); hidden ones and system litter neither.
    Raises DatasetError when root cannot be listed or holds more than MAX_FILES files.
    """
    root = root.resolve()
    waiting, seen = [(root, "")], 0
    while waiting:
        path, name = waiting.pop()
        folder, below = Folder(path, name), []
        for entry in _entries(path, name, is_root=path == root, skipped=skipped):
            shown = f"{name}/{entry.name}" if name else entry.name
            if entry.name.startswith("."):
                continue
            if _is_folder(entry):
                if recursive and entry.name.lower() not in _IGNORED_FOLDERS and not _is_link(entry, shown, skipped):
                    below.append((Path(entry.path), shown))
                continue
            file = _file(entry, shown, root, skipped)
            if file:
                folder.files[entry.name] = file
        seen += len(folder.files)
        if seen > MAX_FILES:
            raise DatasetError(
                WHERE, [f"'{root.name}' holds more than {MAX_FILES:,} files. Choose the folder of the pictures only."]
            )
        yield folder
        waiting.extend(reversed(below))


def folder_fingerprint(folders: Iterable[Path]) -> str:
    """Changes when a file in one of the folders is added, removed, renamed or edited (size, mtime, ctime)."""
    total = hashlib.sha256()
    for root in folders:
        try:
            for folder in walk(root, recursive=True, skipped=[]):
                for file in folder.files.values():
                    total.update(os.fsencode(file.name) + repr(file.stamp).encode() + b"\0")
        except DatasetError as error:
            total.update(str(error).encode("utf-8", "replace"))
    return total.hexdigest()


def _entries(path: Path, name: str, *, is_root: bool, skipped: list[str]) -> list[os.DirEntry]:
    try:
        with os.scandir(path) as entries:
            return sorted(entries, key=lambda entry: fold(entry.name))
    except OSError as error:
        if is_root:
            raise DatasetError(
                WHERE, [f"the folder '{path.name}' cannot be opened ({error.strerror}). Check its name and rights."]
            ) from error
        skipped.append(f"{printable(name)}: the folder cannot be opened ({error.strerror}) and is left out.")
        return []


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_link(entry: os.DirEntry, shown: str, skipped: list[str]) -> bool:
    junction = getattr(entry, "is_junction", lambda: False)()  # Python 3.12 on Windows
    if entry.is_symlink() or junction or os.path.realpath(entry.path) != os.path.join(
        os.path.realpath(os.path.dirname(entry.path)), entry.name
    ):
        skipped.append(f"{printable(shown)}: is a link to a folder and is not followed. Load that folder itself.")
        return True
    return False


def _file(entry: os.DirEntry, shown: str, root: Path, skipped: list[str]) -> File | None:
    """The entry as a File; None for pipes, devices, dead links, and links out of the dataset."""
    try:
        if not entry.is_file():
            if entry.is_symlink():
                skipped.append(f"{printable(shown)}: is a link to a file that is not there. Copy the file.")
            return None
        if entry.is_symlink() and not Path(entry.path).resolve().is_relative_to(root):
            skipped.append(f"{printable(shown)}: is a link out of the dataset's folder and is left out. Copy the file.")
            return None
        stat = os.stat(entry.path)
    except (OSError, ValueError, RuntimeError):
        return None
    return File(Path(entry.path), shown, (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns))


def fold(name: str) -> str:
    """A name as file systems that ignore case and accents' encoding compare it."""
    return unicodedata.normalize("NFC", name).casefold()


def printable(name: str) -> str:
    """A file name that is safe in messages, JSON and on a terminal: no control characters, valid Unicode."""
    text = os.fsencode(name).decode("utf-8", "replace")
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
