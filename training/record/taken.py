"""A run's folder: held by one process at a time, and left only by a run that took a step."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from ..errors import StateError
from ..files.atomic import is_left_over
from ..files.lock import Taken, locked
from ..files.names import file_name
from ..files.refusals import refused
from .records import SAMPLES_FOLDER, THUMBNAILS_FOLDER, sample_file
from .requests import is_request

LOCK_NAME = "run.lock"
_FIRST_SAMPLES = sample_file(0, 0)[: -len("00.png")]


@contextmanager
def held(folder: Path) -> Iterator[Path]:
    """The folder of a run that goes on. Raises StateError, naming who trains it, when another process does, DiskError
    when nothing can be written there."""
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(folder / LOCK_NAME))
        except Taken as taken:
            raise StateError(
                f"the run '{folder.name}' is being trained already, by {taken.holder or 'another process'}. Wait until it ends or stop it "
                "there, or set resume on the Train LoRA node to 'new' to start a new run."
            ) from taken
        except OSError as error:
            raise refused(folder / LOCK_NAME, error) from error
        yield folder


@contextmanager
def new_folder(root: Path, name: str, is_taken: Callable[[str], bool] = lambda name: False) -> Iterator[Path]:
    """<root>/<name>, or with a counter: one that no run has, and that is not taken elsewhere. It is gone again after the block when
    no step was done in it.

    `name` becomes a file name that every system takes. Raises DiskError where no folder can be made.
    """
    with ExitStack() as stack:
        yield _first_free(root, file_name(name) or "lora", is_taken, stack)


def _first_free(root: Path, stem: str, is_taken: Callable[[str], bool], stack: ExitStack) -> Path:
    count = 1
    while True:
        folder = root / (stem if count == 1 else f"{stem}_{count}")
        try:
            if not is_taken(folder.name) and _take(folder, stack):
                return folder
        except OSError as error:
            raise refused(folder, error) from error
        count += 1


def _take(folder: Path, stack: ExitStack) -> bool:
    """Whether the folder is ours now: it was not there, or held only what a kill left of a start."""
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        if not ((folder / LOCK_NAME).is_file() and _was_never_begun(folder)):
            return False
    with ExitStack() as attempt:
        attempt.callback(_remove_when_empty, folder)
        try:
            attempt.enter_context(locked(folder / LOCK_NAME))
        except (Taken, FileNotFoundError):  # another process was faster, or removed it just now
            return False
        if not _was_never_begun(folder):
            return False
        attempt.callback(_clear_when_never_begun, folder)
        stack.enter_context(attempt.pop_all())
    return True


def _was_never_begun(folder: Path) -> bool:
    """Whether nothing lies there but what there is before the first step: the lock, the base model's samples, wishes, half files."""
    return all(_comes_before_steps(folder, file) for file in _files(folder))


def _comes_before_steps(folder: Path, file: Path) -> bool:
    if file.parent == folder and file.name.startswith(LOCK_NAME) or is_left_over(file) or is_request(folder, file):
        return True
    return file.name.startswith(_FIRST_SAMPLES) and file.parent in (folder / SAMPLES_FOLDER, folder / THUMBNAILS_FOLDER)


def _files(folder: Path) -> Iterator[Path]:
    """Those that lie in the folder itself come first."""
    return (Path(where) / name for where, _, names in os.walk(folder) for name in names)


def _clear_when_never_begun(folder: Path) -> None:
    with suppress(OSError):
        if _was_never_begun(folder):
            for file in _files(folder):
                if not file.name.startswith(LOCK_NAME):
                    file.unlink()


def _remove_when_empty(folder: Path) -> None:
    """With the empty folders in it; what is not empty stays."""
    for where, _, _ in os.walk(folder, topdown=False):
        with suppress(OSError):
            os.rmdir(where)
