"""Runs the test suite in two lanes, each of one process after the other, so that a full or crashed one costs nothing but itself.

    python tests/run.py [pytest arguments]

A lane takes files that no other has taken (lane.py), on its share of the cores; $TEST_LANES says how many there are (default: two where
there are two cores and 14 GB of memory). Models of gigabytes come and go in these tests, and one process would keep too much of them:
above $TEST_MEMORY_GB (default 6, 4.5 in each of two lanes) a process (child.py) stops after the file that it is in, and a fresh one goes
on. A process that dies is a failure of the file it died in; the rest still runs. At the end stands what pytest would say of all of it,
every reason for a skip, and the slowest files.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
from record import events, file_of

CHILD = Path(__file__).with_name("child.py")
PASSED, FAILED, INTERRUPTED, NOTHING = 0, 1, 2, 5  # pytest's exit codes
SHOWN_ALWAYS = ("passed", "failed", "skipped")
RESULTS = (*SHOWN_ALWAYS, "error", "xfailed", "xpassed")
BAD = ("failed", "error")
SLOWEST = 25
FOR_TWO = 14e9  # bytes


def main(arguments: list[str]) -> int:
    started, count = time.monotonic(), lanes()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(count) as pool:
        every = [Run(Path(folder), number, count, arguments) for number in range(count)]
        try:
            codes = list(pool.map(Run.to_its_end, every))
        except KeyboardInterrupt:
            codes = [INTERRUPTED]
        found = [event for each in every for event in events(each.record)]
    print("\n".join(summary(found, time.monotonic() - started, sum(each.processes for each in every))), flush=True)
    return exit_code(found, codes)


def lanes() -> int:
    """How many processes at the same time."""
    if asked := os.environ.get("TEST_LANES"):
        return int(asked)
    return 2 if (os.cpu_count() or 1) >= 2 and psutil.virtual_memory().total > FOR_TWO else 1


class Run:
    """One lane: its processes one after the other, until no file is left for it."""

    _printing = threading.Lock()

    def __init__(self, folder: Path, number: int, of: int, arguments: list[str]):
        self.record, self.processes, self._of = folder / f"{number}.jsonl", 0, of
        limit = os.environ.get("TEST_MEMORY_GB") or str(min(6, 9 / of))
        self._command = [sys.executable, str(CHILD), str(self.record), str(number), limit, *arguments]

    def to_its_end(self) -> int:
        """The last process's exit code."""
        before, code = 0, PASSED
        while self.processes == 0 or _goes_on(self.record, before, code):
            self.processes, before = self.processes + 1, len(events(self.record))
            code = self._process()
        return code

    def _process(self) -> int:
        if self._of == 1:
            return subprocess.run(self._command).returncode
        threads = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // self._of))}
        with subprocess.Popen(
            self._command, env=os.environ | threads, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                with self._printing:
                    print(line, end="", flush=True)
        return process.returncode


def _goes_on(record: Path, before: int, code: int) -> bool:
    """Whether files are left for a fresh process. `before`: how many events there were when the last one began."""
    found = events(record)
    last = found[-1] if len(found) > before else {}
    if last.get("ended") == code:
        return last["left"]
    # It died. Its file counts as done, so that the next process passes over it.
    at = next((event["at"] for event in reversed(found[before:]) if "at" in event), "the start")
    file, why = file_of(at), f"the process ended with {death(code)} in {file_of(at)}"
    known = {event["done"] for event in found if "done" in event}
    with record.open("a", encoding="utf-8") as lines:
        for event in ({"test": at, "result": "failed", "why": why}, {"done": file}):
            lines.write(f"\n{json.dumps(event)}\n")
    # Dead in a file that it was to pass over: another process would fare no better.
    return last.get("left", file not in known)


def death(code: int) -> str:
    """How a process died, in words: the signal's name or the exit code."""
    named = {int(one): one.name for one in signal.Signals}
    return f"signal {named.get(-code, -code)}" if code < 0 else f"exit code {code}"


def results(found: list[dict]) -> dict[tuple[str, str], str]:
    """The reason, by test and result. What is collected anew in every process is counted once."""
    return {(event["test"], event["result"]): event["why"] for event in found if "result" in event}


def summary(found: list[dict], seconds: float, processes: int) -> list[str]:
    told = results(found)
    slow = sorted(((event["seconds"], event["done"]) for event in found if "seconds" in event), reverse=True)[:SLOWEST]
    skips = Counter(why for (_, result), why in told.items() if result == "skipped")
    counts = Counter(result for _, result in told)
    said = ", ".join(f"{counts[result]} {result}" for result in RESULTS if counts[result] or result in SHOWN_ALWAYS)
    return [
        "",
        *(f"{taken:7.1f} s  {file}" for taken, file in slow),
        *(f"SKIPPED [{count}] {why}" for why, count in skips.items()),
        *(f"{result.upper()} {test} - {first_line(why)}" for (test, result), why in told.items() if result in BAD),
        f"=== {said} in {seconds:.0f} s, {processes} process{'es' * (processes > 1)} ===",
    ]


def first_line(text: str) -> str:
    return text.split("\n", 1)[0]


def exit_code(found: list[dict], last: list[int]) -> int:
    """pytest's: 1 where anything failed, 5 where nothing ran, else what the last process of a lane said for itself."""
    counts = Counter(result for _, result in results(found))
    if any(counts[result] for result in BAD):
        return FAILED
    return next((code for code in last if code not in (PASSED, NOTHING)), PASSED if counts else max(last))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
