"""What the captioning loop knows of a captioner, whatever model stands behind it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

WHERE = "Auto Caption"

Ask = Callable[["np.ndarray"], str]
"""A picture, (h, w, 3) uint8 RGB of any size -> the model's answer as text that can be stored."""


@dataclass(frozen=True, kw_only=True)
class Captioner:
    """A model that can be asked about pictures.

    `identity` changes whenever answers would: answers are stored under it. `loaded` opens the model for a while; it is
    called only when some picture has no stored answer. `wording` turns an answer into the parts of a caption (tags, or
    one text); it is cheap, so thresholds and tag rules can be changed without asking the model again.
    """

    name: str
    identity: str
    loaded: Callable[[], AbstractContextManager[Ask]]
    wording: Callable[[str], tuple[str, ...]]
    speaks_tags: bool


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
