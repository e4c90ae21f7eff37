"""One process of the test suite: pytest with a watcher, which writes down what happens and stops before the memory is full.

Started by run.py: `python tests/child.py RECORD LANE LIMIT_GB [pytest arguments]`. RECORD is a file of JSON lines that all processes of a
lane share: {"at": test or file}, {"test", "result", "why"}, {"done": file, "seconds"}, {"ended": exit code, "left": whether any is left}.
"""

import json
import os
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest
from lane import Lane
from record import events, file_of


class Watcher:
    """A pytest plugin: passes over files that are done or taken, and stops between two files when the process has grown too large."""

    def __init__(self, record: Path, lane: Lane, limit: float):
        self._record, self._lane, self._limit = record, lane, limit
        self._done = {event["done"] for event in events(record) if "done" in event}
        self._waiting: Counter[str] = Counter()  # tests to come, by file
        self._seconds: dict[str, float] = {}  # of files that have begun and are not done
        self.left = False

    def note(self, **event) -> None:
        with self._record.open("a", encoding="utf-8") as file:
            file.write(json.dumps(event) + "\n")

    # --- what is done already ---

    def pytest_configure(self, config) -> None:
        self._config, self._root = config, config.rootpath
        # A file that is named on the command line cannot be ignored, only left out.
        config.args = [argument for argument in config.args if not self._is_done(Path(argument.split("::")[0]))]
        if not config.args:
            pytest.exit("every file is done", returncode=pytest.ExitCode.NO_TESTS_COLLECTED)

    def pytest_ignore_collect(self, collection_path) -> bool | None:
        return True if self._is_done(collection_path) else None

    def _is_done(self, path: Path) -> bool:
        file = os.path.relpath(path.absolute(), self._root).replace(os.sep, "/")
        return file in self._done or self._lane.is_taken(file)

    # --- what happens ---

    def pytest_collectstart(self, collector) -> None:
        if isinstance(collector, pytest.File):
            self.note(at=collector.nodeid)

    def pytest_collectreport(self, report) -> None:
        if report.outcome != "passed":
            self._tell(report, "error" if report.failed else "skipped")

    def pytest_collection_finish(self, session) -> None:
        self._waiting = Counter(file_of(item.nodeid) for item in session.items)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item, nextitem):
        file, started = file_of(item.nodeid), time.monotonic()
        self.note(at=item.nodeid)
        answer = yield
        self._waiting[file] -= 1
        self._seconds[file] = self._seconds.get(file, 0.0) + time.monotonic() - started
        if not self._waiting[file]:
            self.note(done=file, seconds=self._seconds.pop(file))
        # pytest may take the tests of several files in turns, for a fixture that is expensive to make.
        if nextitem is not None and not self._seconds:
            self._stop_when_full(item.session)
        return answer

    def pytest_runtest_logreport(self, report) -> None:
        category, *_ = self._config.hook.pytest_report_teststatus(report=report, config=self._config)
        if category:
            self._tell(report, category)

    def _stop_when_full(self, session) -> None:
        grown = psutil.Process().memory_info().rss / 1e9
        if grown > self._limit and not session.shouldfail:
            self.left = True
            session.shouldstop = f"{grown:.1f} GB of memory are in use: the rest runs in a fresh process"

    def _tell(self, report, result: str) -> None:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else getattr(report, "wasxfail", "")
        if report.failed and hasattr(report.longrepr, "reprcrash"):
            reason = report.longrepr.reprcrash.message
        self.note(test=report.nodeid, result=result, why=str(reason).removeprefix("Skipped: ").strip())


def main(record: str, number: str, limit: str, *arguments: str) -> int:
    lane = Lane(Path(record).parent, int(number))
    watcher = Watcher(Path(record), lane, float(limit))
    # Skips and failures are listed once for all processes, by run.py. A file that cannot be imported must not keep the rest from running.
    code = int(pytest.main(["-rN", "--continue-on-collection-errors", *arguments], plugins=[watcher, lane]))
    watcher.note(ended=code, left=watcher.left)
    return code


if __name__ == "__main__":
    # This folder on the path would shadow ComfyUI's modules with their tests.
    sys.path.pop(0)
    sys.exit(main(*sys.argv[1:]))
