"""A run's folder as a thing to keep or not: noted, renamed, deleted. Never while it trains."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import StateError
from ..files.atomic import rename, write_bytes, write_text
from ..files.lock import Taken, locked
from ..files.names import file_name
from ..files.refusals import refused
from ..files.strangers import parse, read_inside
from .log import LOG_NAME, parse_line
from .run_json import RUN_NAME
from .taken import LOCK_NAME

NOTE_NAME = "note.txt"
LONGEST_NOTE, LONGEST_NAME = 2000, 100
_ENDING = ".safetensors"


@dataclass(frozen=True)
class Size:
    """What a folder takes on the disk: `files` and their `bytes`; `lora` whether the run's own LoRA is among them."""

    files: int
    bytes: int
    lora: bool


def read_note(folder: Path) -> str:
    """What somebody wrote about the run; "" for nothing."""
    return (read_inside(folder, NOTE_NAME) or b"").decode("utf-8", "replace")[:LONGEST_NOTE]


def write_note(folder: Path, text: str) -> None:
    """An empty text takes the note away. Raises StateError for one that is too long, DiskError."""
    text = text.strip()
    if len(text) > LONGEST_NOTE:
        raise StateError(f"the note has {len(text):,} letters but may have {LONGEST_NOTE:,}. Shorten it.")
    if text:
        write_text(folder / NOTE_NAME, text)
        return
    try:
        (folder / NOTE_NAME).unlink(missing_ok=True)
    except OSError as error:
        raise refused(folder / NOTE_NAME, error) from error


def size_of(folder: Path) -> Size:
    """Of all that lies in the folder; links count as nothing, since deleting leaves what they lead to."""
    files = [Path(where) / name for where, _, names in os.walk(folder) for name in names]
    real = [path for path in files if not path.is_symlink()]
    return Size(len(files), sum(_bytes(path) for path in real), (folder / f"{folder.name}{_ENDING}").is_file())


def rename_run(folder: Path, name: str) -> Path:
    """The folder under its new name, with its LoRA and what run.json and the log say of that; checkpoints keep their names.

    Raises StateError for a name that is no file's name or is taken, and for a run that trains; DiskError.
    """
    wanted = name.strip()
    if not wanted or wanted != file_name(wanted) or len(wanted) > LONGEST_NAME:
        raise StateError(f"'{wanted[:LONGEST_NAME]}' cannot name a folder on every system. Use at most {LONGEST_NAME} letters, none of "
                         '< > : " / \\ | ? *, and no dot at the beginning or end.')
    target = folder.with_name(wanted)
    if target == folder:
        return folder
    only_case = wanted.lower() == folder.name.lower()
    if os.path.lexists(target) and not (only_case and os.path.samefile(target, folder)):
        raise StateError(f"there is a run '{wanted}' already. Choose another name.")
    with _alone(folder):
        try:
            rename(folder, target)  # first: it is what fails, where a program has a file of it open
            try:
                _say_new_name(target, folder.name)
            finally:
                (target / LOCK_NAME).unlink(missing_ok=True)  # it went along
        except OSError as error:
            raise refused(folder, error) from error
    return target


def delete_run(folder: Path) -> None:
    """Takes the folder away with all that is in it. Raises StateError for a run that trains or a folder that is a link, DiskError where
    something could not be removed: the rest is gone then."""
    if folder.is_symlink():
        raise StateError(f"'{folder.name}' is a link to another folder. Remove the link and that folder yourself.")
    with _alone(folder):
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise refused(folder, error) from error


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    try:
        with locked(folder / LOCK_NAME):
            yield
    except Taken as taken:
        raise StateError(f"the run '{folder.name}' is being trained, by {taken.holder or 'another process'}. Stop it, or wait until it "
                         "ends.") from taken


def _say_new_name(folder: Path, before: str) -> None:
    old, new = f"{before}{_ENDING}", f"{folder.name}{_ENDING}"
    _say_in_log(folder, old, new)
    try:
        run = parse(read_inside(folder, RUN_NAME) or b"")
    except ValueError:
        run = None
    if isinstance(run, dict):
        path = run.get("lora_path")
        is_own = isinstance(path, str) and path.replace("\\", "/").endswith(f"{before}/{old}")
        run |= {"name": folder.name, **({"lora_path": str(folder / new)} if is_own else {})}
        write_text(folder / RUN_NAME, json.dumps(run, ensure_ascii=False, indent=1))
    if (folder / old).is_file():
        rename(folder / old, folder / new)


def _say_in_log(folder: Path, old: str, new: str) -> None:
    """The LoRA's new name in the records that name it; all other lines stay byte for byte."""
    log = read_inside(folder, LOG_NAME)
    if log is None or _quoted(old) not in log:
        return
    lines = [_renamed(line, old, new) if _quoted(old) in line else line for line in log.splitlines(keepends=True)]
    write_bytes(folder / LOG_NAME, b"".join(lines))


def _quoted(name: str) -> bytes:
    return json.dumps(name, ensure_ascii=False).encode()


def _renamed(line: bytes, old: str, new: str) -> bytes:
    entry: dict[str, Any] = parse_line(line) or {}
    key = {"saved": "file", "ended": "lora"}.get(entry.get("event", ""))
    if key is None or entry.get(key) != old:
        return line
    return line.replace(_quoted(old), _quoted(new), 1)


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
