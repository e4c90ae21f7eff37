"""Folders of pictures in ComfyUI's input: which there are, and new files into one. Nothing is written over unless that is asked for."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
import unicodedata
from collections.abc import AsyncIterable, Iterator, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

import folder_paths

from ...training.data.clips.file_clip import VIDEOS
from ...training.data.decoding import EXTENSIONS
from ...training.errors import SettingsError
from ...training.files.atomic import put, rename, temporary_of
from ...training.files.names import file_name
from ...training.files.refusals import refused
from ...training.files.strangers import leads_inside
from .folder_rules import COMFYUIS_OWN
from .paths import dataset_roots

WHERE = "Bring pictures in"
CAPTIONS = (".txt", ".caption", ".tags", ".cap")
TABLES = ("metadata.jsonl", "metadata.csv")
MOST_FILES, MOST_BYTES, KEPT_FREE = 10_000, 20 << 30, 1 << 30
"""Of one upload; and what must stay free on the disk after it."""
_DEEPEST, _MOST_LISTED, _LONGEST_NAME = 3, 2000, 200
NEW, SAME, OTHER, REFUSED = "new", "same", "other", "refused"


@dataclass(frozen=True)
class Look:
    """What an upload would do: of each file NEW, SAME (one of its name and size is there), OTHER (one of its name is), or REFUSED; the
    bytes of those that are new or other; `free` bytes on the disk; `problem` why nothing of it can be sent, or ""."""

    states: list[str]
    bytes: int
    free: int
    problem: str


def list_folders() -> list[dict[str, object]]:
    """{"name" as Load Dataset's folder takes it, "pictures" in it and below}, by name, those with any; three folders deep."""
    found: dict[str, int] = {}
    for root in dataset_roots():
        for name, count in _counted(root, "", 0):
            if count:
                found.setdefault(name, count)
    names = sorted(found, key=str.casefold)[:_MOST_LISTED]
    return [{"name": name, "pictures": found[name]} for name in names]


def look(folder: str, files: Sequence[tuple[str, int]]) -> Look:
    """What sending the files (paths below the folder, and bytes) would do. Raises SettingsError for the folder's name."""
    target = _target(folder)
    states = [_state(target, name, size) for name, size in files]
    total = sum(size for (_, size), state in zip(files, states) if state in (NEW, OTHER))
    free = shutil.disk_usage(folder_paths.get_input_directory()).free
    return Look(states, total, free, _problem(sum(state != REFUSED for state in states), total, free))


async def take(folder: str, name: str, size: int, pieces: AsyncIterable[bytes], *, replace: bool) -> Path:
    """Writes the file: whole or not at all. Raises SettingsError for a name that is refused, one that is there already, or another size
    than was said, DiskError."""
    path = _file(_target(folder), name)
    if path is None:
        raise SettingsError(WHERE, [f"'{name[:100]}' is no picture, video or caption, or no file of that name can be on every system."])
    if problem := _problem(1, size, shutil.disk_usage(folder_paths.get_input_directory()).free):
        raise SettingsError(WHERE, [problem])
    temporary = temporary_of(path, time.time_ns())  # what a crash left does not stand in the way
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb", buffering=0) as file:
            await _receive(file, size, pieces)
        _put_in_place(temporary, path, replace=replace)
    except FileExistsError:
        raise SettingsError(WHERE, [f"'{name}' is there already. It was left as it is."]) from None
    except OSError as error:
        raise refused(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)
    return path


async def _receive(file: FileIO, size: int, pieces: AsyncIterable[bytes]) -> None:
    got = 0
    async for piece in pieces:
        got += len(piece)
        if got > size:
            break
        await asyncio.to_thread(put, file, piece)
    if got != size:
        raise SettingsError(WHERE, [f"{got:,} bytes came of a file that was said to have {size:,}. Send it again."])


def _put_in_place(temporary: Path, path: Path, *, replace: bool) -> None:
    if replace:
        return rename(temporary, path)
    try:
        os.link(temporary, path)  # unlike a renaming, it never takes another file's place
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if os.path.lexists(path):
            raise FileExistsError(path) from None
        rename(temporary, path)


def _problem(count: int, total: int, free: int) -> str:
    if not count:
        return "There is no picture, video or caption among them."
    if count > MOST_FILES:
        return f"These are {count:,} files; at most {MOST_FILES:,} can be sent at once. Send sub-folders one by one, or copy the folder."
    if total > MOST_BYTES:
        return (f"These are {total / 2**30:.1f} GB; at most {MOST_BYTES >> 30} GB can be sent at once. Send a part, or copy the folder "
                "into ComfyUI's input folder.")
    if total + KEPT_FREE > free:
        return f"These are {total / 2**30:.1f} GB, and {free / 2**30:.1f} GB are free where ComfyUI's input folder lies. Free some space."
    return ""


def _target(folder: str) -> Path:
    parts = _parts(folder)
    if parts is None:
        raise SettingsError(WHERE, [f"'{folder[:100]}' cannot name a folder on every system. Use letters, digits, spaces, - and _."])
    if parts[0].lower() in COMFYUIS_OWN:
        raise SettingsError(WHERE, [f"'{parts[0]}' is a folder of ComfyUI's own. Choose another name."])
    root = Path(folder_paths.get_input_directory())
    target = root.joinpath(*parts)
    if not leads_inside(target, root) or (target.exists() and not target.is_dir()):
        raise SettingsError(WHERE, [f"'{folder}' is no folder in ComfyUI's input folder. Choose another name."])
    return target


def _file(target: Path, name: str) -> Path | None:
    parts = _parts(name)
    if parts is None or not _is_wanted(parts[-1]):
        return None
    path = target.joinpath(*parts)
    return path if leads_inside(path, target) and not path.is_symlink() else None


def _parts(path: str) -> list[str] | None:
    """The names in a path with / between, composed (a Mac sends letters and their accents apart); None where one is no plain name."""
    parts = unicodedata.normalize("NFC", path.strip().replace("\\", "/")).split("/")
    plain = all(part == file_name(part) and part and len(part.encode()) <= _LONGEST_NAME for part in parts)
    return parts if plain and len(parts) <= 8 else None


def _is_wanted(name: str) -> bool:
    return name.lower().endswith((*EXTENSIONS, *VIDEOS, *CAPTIONS)) or name.lower() in TABLES


def _state(target: Path, name: str, size: int) -> str:
    path = _file(target, name)
    if path is None or path.is_dir():
        return REFUSED
    if not path.is_file():
        return NEW
    return SAME if path.stat().st_size == size else OTHER


def _counted(folder: Path, name: str, depth: int) -> Iterator[tuple[str, int]]:
    """This folder's name and how many pictures are in it and below, after those of the folders in it. Links are not entered."""
    count, below = 0, []
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith(".") or not name and entry.name.lower() in COMFYUIS_OWN:
            continue
        if entry.is_dir(follow_symlinks=False):
            inner = f"{name}/{entry.name}" if name else entry.name
            rows = list(_counted(Path(entry.path), inner, depth + 1))
            count += rows[-1][1] if rows else 0
            below += [row for row in rows if depth < _DEEPEST]
        elif entry.name.lower().endswith((*EXTENSIONS, *VIDEOS)):
            count += 1
    yield from below
    if name:
        yield name, count
