"""Reading a run's log back: for the panel after a reload, and for curves that go on after a resume."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .log import LOG_NAME, parse_line
from .records import number

_WHOLE_STEPS = 50  # the last steps stay whole records: speed and time left are estimated from them


def read_records(folder: Path, after: int = 0) -> list[dict[str, Any]]:
    """The log's records that concern steps later than `after` (0: all), in the order they were written."""
    try:
        lines = (folder / LOG_NAME).read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    found = (parse_line(line) for line in lines)
    return [entry for entry in found if entry and (not after or (entry.get("step") or 0) > after)]


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return number(math.fsum(known) / len(known)) if known else None


def _buckets(steps: list[dict[str, Any]], points: int) -> list[list[dict[str, Any]]]:
    size = math.ceil(len(steps) / points) if points else 1
    return [steps[start : start + size] for start in range(0, len(steps), max(size, 1))]


def pack_steps(steps: list[dict[str, Any]], points: int = 0) -> dict[str, Any]:
    """Step records as columns. With `points`, runs of neighbours become their mean, placed at the last of them."""
    groups = sorted({group for step in steps for group in step["lr"]})
    buckets = _buckets(steps, points)
    return {
        "event": "steps",
        "step": [bucket[-1]["step"] for bucket in buckets],
        "loss": [_mean(step["loss"] for step in bucket) for bucket in buckets],
        "grad_norm": [_mean(step["grad_norm"] for step in bucket) for bucket in buckets],
        "lr": {group: [bucket[-1]["lr"].get(group) for bucket in buckets] for group in groups},
        "seconds": number(math.fsum(step["seconds"] or 0.0 for step in steps)),
        "items": sum(step["items"] for step in steps),
        "averaged": max((len(bucket) for bucket in buckets), default=1),
    }


def read_log(folder: Path, after: int = 0, points: int = 0) -> list[dict[str, Any]]:
    """The log for the panel: what is not a step first, then the steps as columns, then the last of them whole.

    One hundred thousand steps travel as a few megabytes of columns instead of twenty of records.
    `points` caps the number of columns' entries, for laying old runs over one another.
    """
    entries = read_records(folder, after)
    steps = [entry for entry in entries if entry["event"] == "step"]
    others = [entry for entry in entries if entry["event"] != "step"]
    early, last = steps[:-_WHOLE_STEPS], steps[-_WHOLE_STEPS:]
    return [*others, *([pack_steps(early, points)] if early else []), *last]
