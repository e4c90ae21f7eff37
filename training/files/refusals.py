"""Why a disk refuses a file, and what to do about it: an OSError in words."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from ..errors import DiskError
from ..wording import shortened

_ELSEWHERE = "or start ComfyUI with --output-directory on another disk"


@dataclass(frozen=True)
class _Refusal:
    """`numbers` are errno's, `windows` those that Windows gives where errno says something else."""

    cause: str
    advice: str
    numbers: tuple[int, ...]
    windows: tuple[int, ...] = ()


DISK_FULL = "disk full"
_REFUSALS = (
    _Refusal("path too long", "Give it a shorter name.", (errno.ENAMETOOLONG,), (111, 206)),
    _Refusal(DISK_FULL, f"Free some space there, {_ELSEWHERE}.", (errno.ENOSPC, errno.EDQUOT), (39, 112)),
    _Refusal("file too large", f"That file system holds no file of this size (FAT32 ends at 4 GB): choose another one, {_ELSEWHERE}.",
             (errno.EFBIG,)),
    _Refusal("read-only file system", f"Mount it writable, {_ELSEWHERE}.", (errno.EROFS,), (19,)),
    _Refusal("no permission", "Give the user who runs ComfyUI the right to write there, close programs that hold the file, "
             f"{_ELSEWHERE}.", (errno.EACCES, errno.EPERM)),
    _Refusal("folder gone", f"Put the folder back or its disk in again, {_ELSEWHERE}.", (errno.ENOENT, errno.ENOTDIR, errno.ESTALE)),
)
_FAILED = _Refusal("disk failed", f"Look at the disk and at how it is connected, {_ELSEWHERE}.", ())


def refused(path: Path, error: OSError) -> DiskError:
    """What is raised in the place of `error`, which came of writing `path`."""
    refusal = _of(error)
    told = error.strerror or type(error).__name__
    where = f"'{shortened(path.name)}' in the folder '{shortened(path.parent.name)}'"
    return DiskError(f"{where} could not be written: {refusal.cause} ({told}). {refusal.advice}", refusal.cause)


def _of(error: OSError) -> _Refusal:
    windows = getattr(error, "winerror", None)
    by_windows = (refusal for refusal in _REFUSALS if windows in refusal.windows)
    by_number = (refusal for refusal in _REFUSALS if error.errno in refusal.numbers)
    return next(chain(by_windows, by_number), _FAILED)
