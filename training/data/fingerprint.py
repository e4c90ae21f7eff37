"""Whether anything in a folder was touched: what makes a node run again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from ..errors import DatasetError
from .walk import walk


def folder_fingerprint(folders: Iterable[Path]) -> str:
    """Changes when a file in one of the folders is added, removed, renamed or edited (size, mtime, ctime)."""
    total = hashlib.sha256()
    for root in folders:
        try:
            for folder in walk(root, recursive=True, skipped=[]):
                for file in folder.files.values():
                    total.update(os.fsencode(file.name) + repr(file.stamp).encode() + b"\0")
        except DatasetError as error:
            total.update(str(error).encode("utf-8", "replace"))
    return total.hexdigest()
