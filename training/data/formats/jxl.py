"""What size a JPEG XL file claims to have (ISO 18181-1, SizeHeader): the plugin decodes everything when it opens a file."""

from __future__ import annotations

import struct
from pathlib import Path

_CODESTREAM = b"\xff\x0a"
_CONTAINER = b"\x00\x00\x00\x0cJXL \x0d\x0a\x87\x0a"
_MOST_BOXES = 64
_BITS = (9, 13, 18, 30)
#: width : height by the number in the file; 0 means that the width is written out.
_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}


def claimed_size(path: Path) -> tuple[int, int] | None:
    """(width, height) before rotation; None for a file that is no JPEG XL, or is broken before its size. Raises OSError."""
    start = _codestream_start(path)
    if start is None or not start.startswith(_CODESTREAM):
        return None
    bits = int.from_bytes(start[2:14], "little")  # the lowest bit of each byte comes first

    def take(count: int) -> int:
        nonlocal bits
        value = bits & ((1 << count) - 1)
        bits >>= count
        return value

    is_small = take(1)

    def side() -> int:
        return 8 * (take(5) + 1) if is_small else take(_BITS[take(2)]) + 1

    height = side()
    ratio = _RATIOS.get(take(3))
    return (height * ratio[0] // ratio[1] if ratio else side(), height)


def _codestream_start(path: Path) -> bytes | None:
    """The first bytes of the picture itself: at the start of the file, or in the first box that holds some of it."""
    with path.open("rb") as file:
        head = file.read(16)
        if not head.startswith(_CONTAINER):
            return head
        position = len(_CONTAINER)
        for _ in range(_MOST_BOXES):
            file.seek(position)
            box = file.read(8)
            if len(box) < 8:
                return None
            length, kind = struct.unpack(">I4s", box)
            header = 8
            if length == 1:
                length, header = int.from_bytes(file.read(8), "big"), 16
            if kind in (b"jxlc", b"jxlp"):
                file.seek(position + header + (4 if kind == b"jxlp" else 0))  # a part begins with its number
                return file.read(16)
            if length < header:
                return None
            position += length
    return None
