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

import pytest

from pack.tests.training.unreliable_disk import Disk

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
        ending = _train_on_a_bad_disk(ground, folder, None if is_mounted else INJECTED[kind], draw.randint(1, 120))
        if ending.kind == "done" and not ending.text.startswith(("finished", "stopped: ")):
            raise Lost(f"{kind}, {kilobytes} KB: the run ended as {ending.text!r}")
        _room(ground.folder.parent)
        in_child(ground.train, folder / "answer.json").require_ours()
        if ground.file() != whole:
            raise Lost(f"{kind}, {kilobytes} KB ({ground.case}): the final file is another one")
    what = f"{'mounted' if is_mounted else 'injected'} {kind}"
    return Counter({f"{what}: {ending.text if ending.kind == 'done' else 'refused'}": 1})


def _train_on_a_bad_disk(ground: Ground, folder: Path, error: int | None, writes: int) -> Ending:
    """In a child, where a file is not tried again for long; with `error`, every write after the first `writes` fails with it."""

    def work() -> str:
        disk = Disk(pytest.MonkeyPatch())
        if error is not None:
            left = iter(range(writes))
            disk.number, disk.refuses = error, lambda name: next(left, None) is None
        return ground.train()

    return in_child(work, folder / "answer.json").require_ours()


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
