"""Reading a run's log back: for the panel after a reload, and for curves that go on after a resume."""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..files.strangers import leads_inside, parse, read_inside
from ..files.tail import backwards
from .log import LOG_NAME, is_step_until, parse_line
from .records import is_record, number

_WHOLE_STEPS = 50  # the last steps stay whole records: speed and time left are estimated from them


def read_records(folder: Path, after: int = 0) -> list[dict[str, Any]]:
    """The log's records that concern steps later than `after` (0: all), in the order they were written."""
    if not after:
        return _parse((read_inside(folder, LOG_NAME) or b"").splitlines(keepends=True))
    found = _parse(_lines_after(folder / LOG_NAME, after))
    return [entry for entry in found if (entry.get("step") or 0) > after]


def _lines_after(path: Path, step: int) -> list[bytes]:
    """The end of the log from its last record of a step up to `step` on; nothing else is read."""
    lines: list[bytes] = []
    with suppress(OSError):
        if path.is_file() and leads_inside(path, path.parent):
            with path.open("rb") as file:
                for _, line in backwards(file):
                    if is_step_until(parse_line(line), step):
                        break
                    lines.append(line)
    return lines[::-1]


def _parse(lines: list[bytes]) -> list[dict[str, Any]]:
    """All whole records. One parse of everything is four times as fast as one a line; a damaged log needs the latter."""
    whole = lines[:-1] if lines and not lines[-1].endswith(b"\n") else lines
    try:
        entries = parse(b"[" + b",".join(whole) + b"]")
    except ValueError:
        entries = map(parse_line, whole)
    return [entry for entry in entries if entry is not None and is_record(entry)]


def _means(values: list[float | None], size: int) -> list[float | None]:
    """The mean of each `size` neighbours; what is unknown does not count."""
    if size == 1:
        return values
    parts = ([value for value in values[start : start + size] if value is not None] for start in range(0, len(values), size))
    return [number(math.fsum(part) / len(part)) if part else None for part in parts]


def _lasts(values: list[Any], size: int) -> list[Any]:
    """The last of each `size` neighbours."""
    return values if size == 1 else [values[min(start + size, len(values)) - 1] for start in range(0, len(values), size)]


def pack_steps(steps: list[dict[str, Any]], points: int = 0) -> dict[str, Any]:
    """Step records as columns. With `points`, runs of neighbours become their mean, placed at the last of them."""
    groups = sorted({group for step in steps for group in step["lr"]})
    size = max(1, math.ceil(len(steps) / points)) if points else 1
    return {
        "event": "steps",
        "step": _lasts([step["step"] for step in steps], size),
        "loss": _means([step["loss"] for step in steps], size),
        "grad_norm": _means([step["grad_norm"] for step in steps], size),
        "lr": {group: _lasts([step["lr"].get(group) for step in steps], size) for group in groups},
        "seconds": number(math.fsum(step["seconds"] or 0.0 for step in steps)),
        "items": sum(step["items"] for step in steps),
        "averaged": size,
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
