"""Reading the headers of many pictures, from the index where it knows them, else in threads; and whether a file is whole."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import BinaryIO, cast

from ...errors import DatasetError
from ..dataset import Picture, Sample
from ..pictures import FilePicture
from .index import FileIndex, stamp_of

REPORT_EVERY = 50
TAIL = 4096


def read_headers(
    samples: list[Sample],
    problems: list[str],
    index: FileIndex | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Sample]:
    """The samples whose picture (mask, references) have a sound header, with it filled in; the others go to `problems`."""
    pictures = list(dict.fromkeys(picture for sample in samples for picture in _files(sample)))
    stamps = {picture.file: stamp_of(picture.file) or (0, 0, 0) for picture in pictures}
    indexed = index.headers(stamps) if index else {}
    known = {path: header for path, header in indexed.items() if not header.moves}  # what a clip takes follows from the settings
    found = {picture: replace(picture, known=known[picture.file]) for picture in pictures if picture.file in known}
    fresh, failures = _read([picture for picture in pictures if picture not in found], len(found), on_progress)
    if index:
        headers = {picture.file: picture.header() for picture in fresh.values()}
        index.record((path, stamps[path], header) for path, header in headers.items() if indexed.get(path) != header)
    problems.extend(failures)
    found = {picture: replace(read, index=index) for picture, read in {**found, **fresh}.items()}
    return [_filled(sample, found) for sample in samples if all(picture in found for picture in _files(sample))]


def _read(
    pictures: list[FilePicture], done: int, on_progress: Callable[[int, int], None] | None
) -> tuple[dict[FilePicture, FilePicture], list[str]]:
    """Each as its header tells it, and a line for each that cannot be read."""
    read: dict[FilePicture, FilePicture] = {}
    failures: list[str] = []
    total = done + len(pictures)
    with ThreadPoolExecutor(max_workers=min(8, 2 * (os.cpu_count() or 1)), thread_name_prefix="lora-canvas-scan") as pool:
        try:
            for picture, (scanned, failure) in zip(pictures, pool.map(_scanned, pictures), strict=True):
                if scanned:
                    read[picture] = scanned
                else:
                    failures.append(failure)
                done += 1
                if on_progress and (done % REPORT_EVERY == 0 or done == total):
                    on_progress(done, total)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return read, failures


def _scanned(picture: FilePicture) -> tuple[FilePicture | None, str]:
    try:
        scanned = picture.scanned()
        _check_whole(scanned)
        return scanned, ""
    except DatasetError as error:
        return None, error.problems[0]


def _filled(sample: Sample, found: dict[FilePicture, FilePicture]) -> Sample:
    def filled(picture: Picture) -> FilePicture:
        return found[cast(FilePicture, picture)]

    return replace(
        sample, picture=filled(sample.picture), mask=filled(sample.mask) if sample.mask else None,
        references=tuple(filled(reference) for reference in sample.references),
    )


def _files(sample: Sample) -> list[FilePicture]:
    """The picture, the mask where there is one, and the references: a scan makes files of all."""
    found = (sample.picture, sample.mask, *sample.references)
    return [cast(FilePicture, picture) for picture in found if picture is not None]


def _check_whole(picture: FilePicture) -> None:
    """Raise DatasetError for a truncated file.

    The end mark or the length that its format carries is looked at; where that is missing or wrong the picture is
    decoded, and that decides (some cameras append data behind the mark). Of a video the first frame was decoded already.
    """
    try:
        with picture.file.open("rb") as file:
            whole = picture.is_video or _looks_whole(file, os.fstat(file.fileno()).st_size)
    except (OSError, struct.error):
        whole = False
    if not whole:
        picture.pixels()


def _looks_whole(file: BinaryIO, size: int) -> bool:
    head = file.read(12)
    if head.startswith(b"\xff\x0a") or head[4:8] == b"JXL ":
        return True  # its plugin decodes it whole for the header alone
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
