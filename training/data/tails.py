"""Whether a picture file is whole, from its last bytes: finds broken downloads without decoding."""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

from .pictures import FilePicture

TAIL = 4096


def check_whole(picture: FilePicture) -> None:
    """Raise DatasetError for a truncated file.

    The end mark or the length that its format carries is looked at; where that is missing or wrong the picture is
    decoded, and that decides (some cameras append data behind the mark).
    """
    try:
        with picture.path.open("rb") as file:
            whole = _looks_whole(file, os.fstat(file.fileno()).st_size)
    except (OSError, struct.error):
        whole = False
    if not whole:
        picture.pixels()


def _looks_whole(file: BinaryIO, size: int) -> bool:
    head = file.read(12)
    if head.startswith(b"RIFF"):
        return struct.unpack_from("<I", head, 4)[0] + 8 <= size
    if head.startswith(b"BM"):
        return 0 < struct.unpack_from("<I", head, 2)[0] <= size
    if head[4:8] == b"ftyp":
        return _boxes_fit(file, size)
    file.seek(max(0, size - TAIL))
    tail = file.read(TAIL)
    return (b"IEND" if head.startswith(b"\x89PNG") else b"\xff\xd9") in tail


def _boxes_fit(file: BinaryIO, size: int) -> bool:
    """Whether the top boxes of an ISO media file (AVIF) end where the file ends."""
    position = 0
    while position < size:
        file.seek(position)
        length, kind = struct.unpack(">I4s", file.read(8))
        if length == 1:
            length = struct.unpack(">Q", file.read(8))[0]
        if length == 0:
            return kind == b"mdat"
        if length < 8:
            return False
        position += length
    return position == size
