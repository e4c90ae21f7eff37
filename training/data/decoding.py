"""Truncated pictures must be refused, whatever other packs told Pillow."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import ImageFile

_lock = threading.Lock()
_users = 0
_theirs = False


@contextmanager
def refusing_truncated() -> Iterator[None]:
    """While inside, Pillow raises on truncated data.

    ComfyUI and many packs set Pillow's process-wide LOAD_TRUNCATED_IMAGES, which fills what is missing with grey.
    The switch has no narrower scope, so it is counted over our threads and given back when the last one leaves.
    """
    global _users, _theirs
    with _lock:
        if _users == 0:
            _theirs, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                ImageFile.LOAD_TRUNCATED_IMAGES = _theirs
