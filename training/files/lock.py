"""One process at a time: a file that names its holder, on any system and over network shares.

Locks of the operating system say neither who holds them nor that the holder is gone, and many shares have none. So the file is made
exclusively, names host and process, and is touched while it is held. Whose process is gone, or, on another machine, who has not
touched it for `SILENCE`, holds nothing any more.
"""

from __future__ import annotations

import json
import math
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import psutil

from .atomic import put

BEAT = 10.0
SILENCE = 120.0
"""Seconds between two touches, and without one until a holder on another machine counts as gone."""
_MOMENT = 1.0  # what making a lock file, or deciding about one, may take
_CLOCKS_DIFFER = 5.0  # seconds that two readings of a process's start may lie apart
_OURS: set[str] = set()  # the tokens that this process holds: a file that could not be removed at the end locks nothing


@dataclass(frozen=True)
class Holder:
    """`machine` is one space of process numbers: two containers on one host are two machines."""

    host: str
    machine: str
    pid: int
    started: float
    token: str

    def __str__(self) -> str:
        return f"process {self.pid} on '{self.host[:100]}'"


class Taken(Exception):
    """Somebody else holds the lock."""

    def __init__(self, holder: Holder | None):
        self.holder = holder
        super().__init__(f"held by {holder or 'another process'}")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock while the block runs. Raises Taken at once when another holder is alive, OSError when nothing can be written."""
    own = here()
    _acquire(path, own)
    _OURS.add(own.token)
    done = threading.Event()
    beat = threading.Thread(target=_touch_until, args=(path, own, done), name="LoRA Canvas lock", daemon=True)
    beat.start()
    try:
        yield
    finally:
        done.set()
        beat.join()
        _OURS.discard(own.token)
        if _read(path) == own:
            with suppress(OSError):
                path.unlink()


def holder_of(path: Path) -> Holder | None:
    """Who holds it now, as far as it can be seen from here."""
    holder = _read(path)
    return holder if holder and _is_alive(holder, here(), silent_for=time.time() - _touched(path)) else None


def is_ours(holder: Holder) -> bool:
    """Whether this very process holds it."""
    return holder.token in _OURS


def has_died(holder: Holder) -> bool:
    """Whether it was a process of this machine and is no more; of other machines nothing is known."""
    own = here()
    return holder.machine == own.machine and holder.pid != own.pid and not _is_alive(holder, own, silent_for=math.inf)


def here() -> Holder:
    """This process, with a token of its own for every call."""
    machine = socket.gethostname()
    with suppress(OSError):
        machine += " " + os.readlink("/proc/self/ns/pid")
    process = psutil.Process()
    return Holder(socket.gethostname(), machine, process.pid, process.create_time(), uuid.uuid4().hex)


def _touch_until(path: Path, own: Holder, done: threading.Event) -> None:
    while not done.wait(BEAT):
        if _read(path) == own:  # not one who took it over while this machine slept
            with suppress(OSError):
                os.utime(path)


def _acquire(path: Path, own: Holder) -> None:
    try:
        return _create(path, own)
    except FileExistsError:
        pass
    with _alone(path.with_name(path.name + ".deciding")) as now:
        holder = _read_patiently(path)
        if holder and _is_alive(holder, own, silent_for=now - _touched(path)):
            raise Taken(holder)
        path.unlink(missing_ok=True)
        try:
            _create(path, own)
        except FileExistsError:  # by one who came while there was none
            raise Taken(_read_patiently(path)) from None


def _create(path: Path, own: Holder) -> None:
    with path.open("xb", buffering=0) as file:
        try:
            put(file, json.dumps(asdict(own)).encode())
        except OSError:
            path.unlink()
            raise


@contextmanager
def _alone(path: Path) -> Iterator[float]:
    """Of those who find a stale lock, one decides at a time. Gives the time as the file system has it."""
    patience = time.monotonic() + 5 * _MOMENT
    while True:
        try:
            path.open("x").close()
            break
        except FileExistsError:
            time.sleep(0.02)
            if time.monotonic() > patience:  # a decision takes milliseconds: who made this is gone
                path.unlink(missing_ok=True)
    try:
        yield _touched(path)
    finally:
        path.unlink(missing_ok=True)


def _touched(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _is_alive(holder: Holder, own: Holder, silent_for: float) -> bool:
    if holder.machine != own.machine:
        return silent_for < SILENCE
    if (holder.pid, holder.started) == (own.pid, own.started):
        return holder.token in _OURS
    try:
        process = psutil.Process(holder.pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        # A clock that was set meanwhile shifts a process's start, but then the holder still touches its lock.
        return abs(process.create_time() - holder.started) < _CLOCKS_DIFFER or silent_for < SILENCE
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True


def _read_patiently(path: Path) -> Holder | None:
    """One who just made the file may not have written it yet."""
    patience = time.monotonic() + _MOMENT
    while (holder := _read(path)) is None and path.exists() and time.monotonic() < patience:
        time.sleep(0.02)
    return holder


def _read(path: Path) -> Holder | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        holder = Holder(**{each.name: content[each.name] for each in fields(Holder)})
    except (OSError, ValueError, KeyError, TypeError):
        return None
    numbers = isinstance(holder.pid, int) and 0 < holder.pid < 2**31 and isinstance(holder.started, float)
    return holder if numbers and isinstance(holder.host, str) else None
