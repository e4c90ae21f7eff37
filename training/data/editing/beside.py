"""The files of a picture: its caption, its painted mask, the list that leaves it out. All lie in the picture's own folder."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from io import BytesIO
from pathlib import Path

from PIL import Image

from ...errors import DatasetError
from ..decoding import WHERE
from ..folder.caption_files import text_in
from ..folder.left_out import LIST_NAME, changed_list, names_in
from ..folder.scan import MASK_ENDINGS
from ..folder.walk import fold
from ..specs import Size
from .files import FileChange, content

MASK_NAME = f"{{}}{MASK_ENDINGS[0]}.png"


class Beside:
    """Finds files by name as a scan does: an existing one may differ in case or in how accents are encoded."""

    def __init__(self, caption_extension: str):
        self._extension = caption_extension
        self._names: dict[str, tuple[set[str], dict[str, str]]] = {}

    def caption(self, picture: Path) -> Path:
        return self._find(os.path.dirname(picture), picture.stem + self._extension)

    def mask(self, picture: Path) -> Path:
        """Where a painted mask lies; a scan looks there before it looks anywhere else."""
        return self._find(os.path.dirname(picture), MASK_NAME.format(picture.stem))

    def has_mask(self, picture: Path) -> bool:
        """Whether there was one when the folder was last looked at."""
        return fold(MASK_NAME.format(picture.stem)) in self._there(os.path.dirname(picture))[1]

    def list_of(self, folder: Path) -> Path:
        return self._find(str(folder), LIST_NAME)

    def forget(self) -> None:
        """What lies there may be other files by now."""
        self._names.clear()

    def _find(self, folder: str, name: str) -> Path:
        exact, folded = self._there(folder)
        return Path(folder, name if name in exact else folded.get(fold(name), name))

    def _there(self, folder: str) -> tuple[set[str], dict[str, str]]:
        """The names in a folder, and by their folded forms."""
        if folder not in self._names:
            names: list[str] = []
            with suppress(OSError):
                names = os.listdir(folder)
            self._names[folder] = set(names), {fold(name): name for name in names}
        return self._names[folder]


def as_file(text: str) -> bytes:
    """A caption as its file has it."""
    return (text.strip() + "\n").encode() if text.strip() else b""


def text_of(data: bytes | None) -> str | None:
    """The caption that a file's bytes hold; None where there is no file."""
    return None if data is None else text_in(data)[0]


def left_out_change(path: Path, pictures: Iterable[Path], leave_out: bool) -> FileChange | None:
    """The change of the list at `path` that leaves its pictures out, or takes them back; None where nothing is to be done."""
    before = content(path)
    after = changed_list(text_of(before) or "", [picture.name for picture in pictures], leave_out)
    data = None if after is None else after.encode()
    return None if data == before else FileChange(path, before, data)


def left_out_in(path: Path) -> frozenset[str]:
    """The folded names that the list at `path` leaves out."""
    return names_in(text_of(content(path)) or "")


def mask_file(png: bytes, size: Size, name: str) -> bytes:
    """A painted mask as a grey PNG. Raises DatasetError unless it is a PNG of the shape of a picture of `size`, and no larger."""
    try:
        with Image.open(BytesIO(png), formats=("PNG",)) as image:
            width, height = image.size
            if width > size[0] or height > size[1] or abs(width * size[1] - height * size[0]) > sum(size):
                raise DatasetError(WHERE, [
                    f"the mask of {name} has {width} x {height} pixels, but the picture {size[0]} x {size[1]}. Open the data set again."
                ])
            grey = image.convert("L")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DatasetError(WHERE, [f"the mask of {name} is not a whole PNG. Paint it again."]) from error
    out = BytesIO()
    grey.save(out, "PNG")
    return out.getvalue()
