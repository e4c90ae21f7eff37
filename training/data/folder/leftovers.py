"""Files that lie in a dataset's folder and are not used, though their owner may think so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from ...wording import count, some
from ..clips.file_clip import VIDEOS
from ..decoding import EXTENSIONS
from .walk import Folder, fold, printable

UNREAD = (".tif", ".tiff", ".heic", ".heif", ".jxl", ".jp2", ".psd", ".svg", ".tga", ".dng", ".cr2", ".nef")
_NOTES = ("readme", "license", "sample", "prompts")


def leftovers(folders: Iterable[Folder], caption_extension: str, uses_captions: bool) -> Iterator[str]:
    """A line for pictures of formats that are not read, and one for captions without a picture."""
    unread, orphans = [], []
    for folder in folders:
        stems = {fold(Path(name).stem) for name in folder.files if Path(name).suffix.lower() in EXTENSIONS + VIDEOS}
        for name, file in folder.files.items():
            path = Path(name)
            if path.suffix.lower() in UNREAD:
                unread.append(printable(file.name))
            elif path.suffix.lower() == caption_extension and fold(path.stem) not in stems and path.stem.lower() not in _NOTES:
                orphans.append(printable(file.name))
    if unread:
        yield f"{count(len(unread), 'picture')} in a format that is not read: {some(unread)}. Convert to PNG or JPEG."
    if orphans and uses_captions:
        yield (f"{count(len(orphans), 'caption file')} without a picture of the same name: {some(orphans)}. "
               "Rename one of the two.")
