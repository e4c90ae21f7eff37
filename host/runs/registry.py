"""Which runs are training right now, seen from two threads: the prompt worker trains, the server answers the panel."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...training.run.control import Wishes


@dataclass(frozen=True)
class LiveRun:
    """A run that is training. `name` is its folder's name; `latest` the newest record of each kind."""

    name: str
    folder: Path
    node_id: str
    control: Wishes
    latest: dict[str, dict[str, Any]] = field(default_factory=dict)


class RunRegistry:
    """The live runs by name, and the folder of the last run that each node made in this process."""

    def __init__(self) -> None:
        self._runs: dict[str, LiveRun] = {}
        self._last: dict[str, Path] = {}
        self._lock = threading.Lock()

    @contextmanager
    def live(self, name: str, folder: Path, control: Wishes, node_id: str) -> Iterator[LiveRun]:
        """Keep the run listed while the block runs, however the block ends."""
        run = LiveRun(name, folder, node_id, control)
        with self._lock:
            if name in self._runs:
                raise ValueError(f"the run '{name}' is training already; a run has one folder and one trainer")
            self._runs[name] = run
        try:
            yield run
        finally:
            with self._lock:
                del self._runs[name]
                self._last[node_id] = folder

    def last_of(self, node_id: str) -> Path | None:
        with self._lock:
            return self._last.get(node_id)

    def find(self, name: str) -> LiveRun | None:
        with self._lock:
            return self._runs.get(name)

    def controls(self) -> list[Wishes]:
        """Of every live run."""
        with self._lock:
            return [run.control for run in self._runs.values()]

    def observe(self, name: str, entry: dict[str, Any]) -> None:
        """Remember the newest record of its kind; a name that is not live is ignored."""
        with self._lock:
            if name in self._runs:
                self._runs[name].latest[entry["event"]] = entry

    def snapshot(self) -> list[dict[str, Any]]:
        """JSON-ready: what a page that was just opened needs to know of every live run."""
        with self._lock:
            return [{"run": run.name, "node": run.node_id, "latest": dict(run.latest)} for run in self._runs.values()]


RUNS = RunRegistry()
"""The one registry of this process: nodes and routes meet here."""
