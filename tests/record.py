"""What the processes of a test run write down: a file of JSON lines for each lane."""

import json
from pathlib import Path


def events(record: Path) -> list[dict]:
    """What has been written down so far."""
    found = []
    for line in record.read_text(encoding="utf-8").splitlines() if record.exists() else []:
        try:
            found.append(json.loads(line))
        except ValueError:
            continue  # a crash cut it off
    return found


def file_of(nodeid: str) -> str:
    """The file that a test is in, from the root, with slashes."""
    return nodeid.split("::")[0]
