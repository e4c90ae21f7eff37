"""Several processes share one run of the suite: each takes whole files that no other has taken, the second from the end.

Tests marked `large` need so much memory that no two of them run at the same time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from hashlib import sha1
from itertools import groupby
from pathlib import Path

import pytest
from filelock import FileLock
from record import file_of


class Lane:
    """A pytest plugin. `folder` is the run's own, shared by all lanes; `number` counts them from 0."""

    def __init__(self, folder: Path, number: int):
        self._folder, self._number = folder, number
        self._large = FileLock(folder / "large.lock")

    def takes(self, file: str) -> bool:
        """Whether `file` is this lane's: as soon as one asks, it is."""
        try:
            with self._claim(file).open("x") as new:
                new.write(str(self._number))
            return True
        except FileExistsError:
            return not self.is_taken(file)

    def is_taken(self, file: str) -> bool:
        """Whether `file` is another lane's."""
        claim = self._claim(file)
        return claim.exists() and claim.read_text() != str(self._number)

    def _claim(self, file: str) -> Path:
        return self._folder / f"{sha1(file.encode()).hexdigest()}.lane"

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items) -> None:
        if self._number % 2:
            files = [list(some) for _, some in groupby(items, lambda item: file_of(item.nodeid))]
            items[:] = [item for some in reversed(files) for item in some]

    def pytest_runtestloop(self, session) -> bool:
        """As pytest's own, over what this lane takes."""
        if session.testsfailed and not session.config.option.continue_on_collection_errors:
            raise session.Interrupted(f"{session.testsfailed} errors during collection")
        if session.config.option.collectonly:
            return True
        items = self._mine(session.items)
        item = next(items, None)
        while item is not None:
            following = next(items, None)
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.shouldfail:
                raise session.Failed(session.shouldfail)
            if session.shouldstop:
                raise session.Interrupted(session.shouldstop)
            item = following
        return True

    def _mine(self, items) -> Iterator[pytest.Item]:
        return (item for item in items if self.takes(file_of(item.nodeid)))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item):
        with self._large if item.get_closest_marker("large") else nullcontext():
            return (yield)
