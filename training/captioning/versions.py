"""Which version of a model's files lies in a folder."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path


def files_identity(files: Iterable[Path]) -> str:
    """Hex digits that change when a file is exchanged, edited or removed: names, sizes and times, not the gigabytes."""
    total = hashlib.sha256()
    for path in sorted(files):
        try:
            stat = path.stat()
            total.update(repr((path.name, stat.st_size, stat.st_mtime_ns)).encode("utf-8", "surrogatepass"))
        except OSError:
            total.update(repr((path.name, None)).encode("utf-8", "surrogatepass"))
    return total.hexdigest()
