"""A file of lines read from its end: what was written last is found without reading what came before."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

BLOCK = 1 << 16


def backwards(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """(where it begins, the line with its end) of each line, the last one first. No more is read than what is asked for, and the
    block that it begins in."""
    position, rest = file.seek(0, os.SEEK_END), b""
    while position:
        size = min(BLOCK, position)
        position -= size
        file.seek(position)
        block = file.read(size) + rest
        # Up to its first line end it is the rest of a line that begins earlier; all of it, where it has none.
        start = (block.find(b"\n") + 1 or len(block)) if position else 0
        end = len(block)
        while end > start:
            begin = max(block.rfind(b"\n", 0, end - 1) + 1, start)
            yield position + begin, block[begin:end]
            end = begin
        rest = block[:start]
