"""Runs the test suite in one process after the other, so that a full or crashed one costs nothing but itself.

    python tests/run.py [pytest arguments]

Models of gigabytes come and go in these tests, and one process would keep too much of them: above $TEST_MEMORY_GB (default 6) a
process (child.py) stops after the file that it is in, and a fresh one goes on. A process that dies is a failure of the file it died
in; the rest still runs. At the end stands what pytest would say of all of it, every reason for a skip, and the slowest files.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from child import events, file_of

CHILD = Path(__file__).with_name("child.py")
PASSED, FAILED, INTERRUPTED, NOTHING = 0, 1, 2, 5  # pytest's exit codes
SHOWN_ALWAYS = ("passed", "failed", "skipped")
RESULTS = (*SHOWN_ALWAYS, "error", "xfailed", "xpassed")
BAD = ("failed", "error")
SLOWEST = 15


def main(arguments: list[str]) -> int:
    started, processes, before, code = time.monotonic(), 0, 0, PASSED
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "record.jsonl"
        try:
            while processes == 0 or _goes_on(record, before, code):
                processes, before = processes + 1, len(events(record))
                code = subprocess.run(_command(record, arguments)).returncode
        except KeyboardInterrupt:
            code = INTERRUPTED
        found = events(record)
    print("\n".join(summary(found, time.monotonic() - started, processes)), flush=True)
    return exit_code(found, code)


def _command(record: Path, arguments: list[str]) -> list[str]:
    return [sys.executable, str(CHILD), str(record), os.environ.get("TEST_MEMORY_GB") or "6", *arguments]


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


def exit_code(found: list[dict], last: int) -> int:
    """pytest's: 1 where anything failed, 5 where nothing ran, else what the last process said for itself."""
    counts = Counter(result for _, result in results(found))
    if any(counts[result] for result in BAD):
        return FAILED
    return PASSED if last == NOTHING and counts else last


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
