"""What was learnt of each picture file, kept between scans: 10,000 headers are then read in one query.

A record counts only while the file's size and times are the same. The index is a convenience: when its file is
locked, read-only or damaged, scanning goes on without it.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from ..decoding import Header

log = logging.getLogger(__name__)
VERSION = 2
"""Raise it when what is recorded changes its meaning: older records are then dropped."""
Stamp = tuple[int, int, int]
"""A file's size in bytes, mtime and ctime in ns: an edit changes at least one."""


class FileIndex:
    """Headers and content digests by path, in an SQLite file."""

    def __init__(self, path: Path):
        self._path = path
        self._lock = threading.Lock()
        self._digests: dict[Path, tuple[Stamp, str]] = {}

    def headers(self, files: Mapping[Path, Stamp]) -> dict[Path, Header]:
        """The headers of those files that have not changed since they were recorded."""
        wanted = {os.fsencode(path): path for path in files}
        known: dict[Path, Header] = {}
        rows = self._run(lambda db: db.execute("SELECT * FROM files").fetchall()) or []
        for key, *stamp, width, height, alpha, moves, digest in rows:
            path = wanted.get(key)
            if path and files[path] == tuple(stamp):
                known[path] = Header((width, height), bool(alpha), bool(moves))
                if digest:
                    self._digests[path] = (files[path], digest)
        return known

    def record(self, headers: Iterable[tuple[Path, Stamp, Header]]) -> None:
        rows = [(os.fsencode(path), *stamp, *header.size, int(header.has_alpha), int(header.moves)) for path, stamp, header in headers]
        if rows:
            self._run(lambda db: db.executemany("INSERT OR REPLACE INTO files VALUES (?,?,?,?,?,?,?,?,'')", rows))

    def digest(self, path: Path, compute: Callable[[], str]) -> str:
        """The content's digest: the recorded one while the file is unchanged, else computed and recorded."""
        stamp = stamp_of(path)
        if stamp is None:
            return compute()
        known = self._digests.get(path)
        if known and known[0] == stamp:
            return known[1]
        digest = compute()
        self._digests[path] = (stamp, digest)
        row = (digest, os.fsencode(path), *stamp)
        where = "path=? AND bytes=? AND modified=? AND changed=?"
        self._run(lambda db: db.execute(f"UPDATE files SET digest=? WHERE {where}", row))
        return digest

    def _run(self, work: Callable[[sqlite3.Connection], Any]) -> Any:
        """`work` on an open connection; None, and a line in the log, when the index cannot be used."""
        try:
            with self._lock:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                with closing(sqlite3.connect(self._path, timeout=2)) as db, db:
                    self._make_table(db)
                    return work(db)
        except (sqlite3.Error, OSError) as error:
            log.warning("the picture index %s cannot be used (%s); pictures are read again", self._path.name, error)
            if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
                self._discard()
            return None

    def _make_table(self, db: sqlite3.Connection) -> None:
        db.execute("PRAGMA synchronous = OFF")  # losing records costs a second, waiting for the disk costs more
        if db.execute("PRAGMA user_version").fetchone()[0] == VERSION:
            return
        db.execute("DROP TABLE IF EXISTS files")
        db.execute(
            "CREATE TABLE files (path BLOB PRIMARY KEY, bytes INT, modified INT, changed INT, "
            "width INT, height INT, alpha INT, moves INT, digest TEXT)"
        )
        db.execute(f"PRAGMA user_version = {VERSION}")

    def _discard(self) -> None:
        """Remove a damaged index; the next scan writes a new one."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError:
            log.warning("the damaged picture index %s cannot be removed", self._path.name)


def stamp_of(path: Path) -> Stamp | None:
    """The file's stamp now; None where it cannot be asked."""
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
