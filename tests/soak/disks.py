"""Disks that fill up or refuse in the middle of a run: once there is room again, the run goes on to the file of an undisturbed one.

A small file system of its own is mounted where that is allowed; else, and for what no mount does, the error is injected below our
writer (`put` in training/files/atomic.py, which every byte passes).
"""

from __future__ import annotations

import errno
import random
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pack.training.files import atomic

from .children import Ending, in_child
from .runs import Ground, Wholes
from .tally import Lost

ROOMY = "64m"
INJECTED = {"full": errno.ENOSPC, "read-only": errno.EROFS, "not permitted": errno.EACCES, "broken": errno.EIO}


def attempt(draw: random.Random, folder: Path, wholes: Wholes) -> Counter[str]:
    ground = Ground.drawn(folder / "small" / "ground", draw)
    whole = wholes.of(ground)
    ground.folder.parent.mkdir()
    kind, kilobytes = draw.choice(list(INJECTED)), draw.randint(8, 200)
    with mounted(ground.folder.parent, f"{kilobytes}k") as is_mounted:
        is_mounted = is_mounted and kind == "full"
        if not is_mounted:
            _room(ground.folder.parent)
        ending = _train_without_waiting(ground, folder, None if is_mounted else INJECTED[kind], kilobytes << 7)
        if ending.kind == "done" and not ending.text.startswith(("finished", "stopped: ")):
            raise Lost(f"{kind} after {kilobytes} KB: the run ended as {ending.text!r}")
        _room(ground.folder.parent)
        in_child(ground.train, folder / "answer.json").require_ours()
        if ground.file() != whole:
            raise Lost(f"{kind} after {kilobytes} KB ({ground.case}): the final file is another one")
    what = f"{'mounted' if is_mounted else 'injected'} {kind}"
    return Counter({f"{what}: {ending.text if ending.kind == 'done' else 'refused'}": 1})


def _train_without_waiting(ground: Ground, folder: Path, error: int | None, until: int) -> Ending:
    """In a child; with `error`, every write fails with it once `until` bytes are written."""

    def work() -> str:
        atomic.WAITS = []
        if error is not None:
            atomic.put = _failing(atomic.put, error, until)
        return ground.train()

    return in_child(work, folder / "answer.json").require_ours()


def _failing(put, error: int, left: int):
    def failing(file, data) -> None:
        nonlocal left
        left -= len(data)
        if left < 0:
            raise OSError(error, "injected by the soak", str(file.name))
        put(file, data)

    return failing


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[bool]:
    """A file system of `size` on `folder`; False where this process may not mount."""
    allowed = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True).returncode == 0
    try:
        yield allowed
    finally:
        if allowed:
            subprocess.run(["umount", "-l", folder], check=True)


def _room(folder: Path) -> None:
    """More than enough, where it is a mount."""
    subprocess.run(["mount", "-o", f"remount,size={ROOMY}", folder], capture_output=True)
