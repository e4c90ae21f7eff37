"""Runs that other processes train into the same folder: known by their locks, followed by their logs, steered by files.

What is asked for lies in the run's folder until the process that trains takes it away, which is its answer (training/record/requests.py).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...training.files.lock import Holder, holder_of, is_ours
from ...training.files.strangers import leads_inside
from ...training.record.follow import Following
from ...training.record.requests import Inbox, put_request
from ...training.record.taken import LOCK_NAME
from ...training.run.control import ENDING, PAUSE, PREVIEW, SAVE, STOP, perform
from .run_folders import runs_root

PATIENCE = 60.0
"""Seconds after which a panel says that nobody has answered: a long step, a picture, or a network share may take so many."""

Message = dict[str, Any]
"""What goes over the websocket: {"run", "node", "records", "elsewhere"}."""


def holder_elsewhere(folder: Path) -> Holder | None:
    """The process, not this one, that trains the run in `folder` now."""
    holder = holder_of(folder / LOCK_NAME)
    return holder if holder is not None and not is_ours(holder) else None


def requests_for(folder: Path) -> Inbox:
    """What other processes ask of the run in `folder`, which this one holds."""
    holder = holder_of(folder / LOCK_NAME)
    return Inbox(folder, holder.token if holder else "")


class ByFile:
    """What can be asked of a run, put into its folder for the process that holds it under `token`."""

    def __init__(self, folder: Path, token: str):
        self._folder, self._token = folder, token
        self.put: list[Path] = []

    def request_stop(self) -> None:
        self._put(STOP)

    def request_pause(self) -> None:
        self._put(PAUSE)

    def request_save(self) -> None:
        self._put(SAVE)

    def request_preview(self) -> None:
        self._put(PREVIEW)

    def set_learning_rate_scale(self, scale: float) -> None:
        self._put("learning_rate", scale)

    def _put(self, action: str, value: float | None = None) -> None:
        self.put.append(put_request(self._folder, self._token, action, value))


@dataclass
class _Waiting:
    """A request that lies there since `since`."""

    file: Path
    action: str
    since: float
    told: bool = False


@dataclass
class _Followed:
    """A run as it is followed. `said` is what a page that opens now must know beside the log: records by their kind."""

    folder: Path
    holder: Holder
    log: Following
    waiting: list[_Waiting] = field(default_factory=list)
    untold: list[Message] = field(default_factory=list)
    said: dict[str, Message] = field(default_factory=dict)

    def news(self, now: float) -> list[Message]:
        """The records since the last look."""
        added = self.log.added()
        records = [*self.untold, *([_about(self.holder)] if added is None else added)]
        self.untold.clear()
        for asked in list(self.waiting):
            if not asked.file.exists():
                self.waiting.remove(asked)
                records.append({"event": "answered", "action": asked.action})
            elif not asked.told and now - asked.since > PATIENCE:
                asked.told = True
                records.append({"event": "unanswered", "action": asked.action, "seconds": PATIENCE})
        self._note(records)
        return records

    def last(self) -> list[Message]:
        """The records at its end; what nobody has taken is not to lie there."""
        for asked in self.waiting:
            asked.file.unlink(missing_ok=True)
        added = self.log.added() or []
        return added if any(record["event"] == "ended" for record in added) else [*added, {"event": "gone"}]

    def _note(self, records: list[Message]) -> None:
        for record in records:
            if record["event"] == "answered":
                self.said.pop("unanswered", None)
            elif record["event"] in ("asked", "unanswered"):
                self.said[record["event"]] = record


class RunsElsewhere:
    """The runs below `root` that other processes train. Any thread may call it."""

    def __init__(self, root: Callable[[], Path] = runs_root, clock: Callable[[], float] = time.monotonic):
        self._root, self._clock = root, clock
        self._runs: dict[str, _Followed] = {}
        self._lock = threading.Lock()

    def look(self) -> list[Message]:
        """What pages must be told since the last look: runs that have begun or gone, and what was logged of the others."""
        with self._lock:
            now = dict(self._held())
            told = [self._message(name, self._runs.pop(name).last(), None) for name in [*self._runs] if name not in now]
            for name, (folder, holder) in now.items():
                run = self._runs.get(name)
                if run is None or run.holder.token != holder.token:
                    self._runs[name] = _Followed(folder, holder, Following(folder))
                    records = [_about(holder)]
                else:
                    records = run.news(self._clock())
                if records:
                    told.append(self._message(name, records, holder))
            return told

    def ask(self, folder: Path, asked: Mapping[str, Any]) -> str | None:
        """Put {"action", "value"} before the process that trains the run in `folder`; the action's name, None when there is none. Raises
        ValueError for what is no such thing, DiskError where nothing can be written."""
        holder = holder_elsewhere(folder)
        if holder is None:
            return None
        by_file = ByFile(folder, holder.token)
        action = perform(by_file, asked)
        with self._lock:
            run = self._runs.get(folder.name)
            if run is not None and run.holder.token == holder.token:
                run.waiting += [_Waiting(file, action, self._clock()) for file in by_file.put]
                run.untold += [{"event": "asked", "action": action}] if action in ENDING else []
        return action

    def snapshot(self) -> list[dict[str, Any]]:
        """As RunRegistry's, with who trains it."""
        with self._lock:
            return [{"run": name, "node": "", "latest": dict(run.said), "elsewhere": str(run.holder)} for name, run in self._runs.items()]

    def _held(self) -> Iterator[tuple[str, tuple[Path, Holder]]]:
        """Looks for locks before anything else: of a thousand runs few have one."""
        try:
            names = os.listdir(self._root())
        except OSError:
            return
        for name in names:
            folder = self._root() / name
            if os.path.exists(folder / LOCK_NAME) and leads_inside(folder, self._root()) and (holder := holder_elsewhere(folder)):
                yield name, (folder, holder)

    def _message(self, name: str, records: list[Message], holder: Holder | None) -> Message:
        return {"run": name, "node": "", "records": records, "elsewhere": holder and str(holder)}


def _about(holder: Holder) -> Message:
    """A page reads the run's log anew then."""
    return {"event": "elsewhere", "by": str(holder)}


ELSEWHERE = RunsElsewhere()
"""The one of this process: routes and pages meet here."""
