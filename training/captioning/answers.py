"""Answers of captioners, kept by picture and model: captioning the same pictures again takes no time."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)
VERSION = 1
"""Raise it when the table changes: older answers are then dropped."""
MOST = 200_000
"""Answers kept, the newest; one takes up to 5 kB."""


class AnswerStore:
    """Text by (identity of the captioner, digest of the picture), in an SQLite file. A convenience: when the file is
    locked, read-only or damaged, the model is asked again."""

    def __init__(self, path: Path):
        self._path = path

    def get(self, identity: str, digest: str) -> str | None:
        query = "SELECT answer FROM answers WHERE identity=? AND digest=?"
        row = self._run(lambda db: db.execute(query, (identity, digest)).fetchone())
        return row[0] if row else None

    def put(self, identity: str, digest: str, answer: str) -> None:
        def work(db: sqlite3.Connection) -> None:
            db.execute("INSERT OR REPLACE INTO answers VALUES (?,?,?)", (identity, digest, answer))
            db.execute("DELETE FROM answers WHERE rowid <= (SELECT MAX(rowid) FROM answers) - ?", (MOST,))

        self._run(work)

    def _run(self, work: Callable[[sqlite3.Connection], Any]) -> Any:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path, timeout=2)) as db, db:
                self._make_table(db)
                return work(db)
        except (sqlite3.Error, OSError) as error:
            log.warning("the stored captions %s cannot be used (%s); pictures are captioned again", self._path.name, error)
            if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
                self._discard()
            return None

    def _make_table(self, db: sqlite3.Connection) -> None:
        db.execute("PRAGMA synchronous = OFF")  # losing an answer costs a second
        if db.execute("PRAGMA user_version").fetchone()[0] == VERSION:
            return
        db.execute("DROP TABLE IF EXISTS answers")
        db.execute("CREATE TABLE answers (identity TEXT, digest TEXT, answer TEXT, PRIMARY KEY (identity, digest))")
        db.execute(f"PRAGMA user_version = {VERSION}")

    def _discard(self) -> None:
        try:
            self._path.unlink(missing_ok=True)
        except OSError:
            log.warning("the damaged file %s cannot be removed", self._path.name)
