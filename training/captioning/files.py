"""Writing captions beside their pictures: whole files only, and never over one that the user did not offer."""

from __future__ import annotations

import os
import uuid
from contextlib import suppress
from pathlib import Path

from ..data.folder.walk import fold, printable
from ..errors import FileError
from .captioner import WHERE

WRITE = ("no", "new files", "new and changed files")
EXTENSIONS = (".txt", ".caption", ".tags", ".cap")
KEPT_ENDING = ".before_auto_caption"
"""What a caption file is renamed to before it is first replaced: a.txt becomes a.txt.before_auto_caption."""


class CaptionFiles:
    """The caption files of a dataset as they are written, `how` being one of WRITE.

    `written`, `left` and `replaced` (their first content was kept) count files; `clashes` names pictures whose caption
    file belongs to another picture (a.png and a.jpg share a.txt).
    """

    def __init__(self, how: str, extension: str = ".txt"):
        self.how = how
        self.extension = extension
        self.written = 0
        self.left = 0
        self.replaced = 0
        self.clashes: list[str] = []
        self._owners: dict[Path, Path] = {}
        self._names: dict[Path, dict[str, str]] = {}

    def write(self, picture: Path, name: str, caption: str) -> None:
        """Write the caption of the picture `name`. Raises FileError naming the file when the disk refuses it."""
        if self.how == "no":
            return
        path = self._path(picture)
        owner = self._owners.setdefault(path, picture)
        if owner != picture:
            self.clashes.append(f"{name} and {printable(owner.name)}")
            return
        exists = os.path.lexists(path)
        if exists and _says(path, caption):
            return
        if exists and self.how == "new files":
            self.left += 1
            return
        try:
            self.replaced += _replace(path, caption)
        except OSError as error:
            raise FileError(
                f"{WHERE}: {printable(path.name)} beside {name} could not be written ({error.strerror or error}). "
                "Check the folder's rights and the free space, or set write_files to 'no' to only pass the captions on."
            ) from error
        self.written += 1

    def _path(self, picture: Path) -> Path:
        """The caption file of a picture; an existing one may differ in case or in how accents are encoded."""
        names = self._names.get(picture.parent)
        if names is None:
            with suppress(OSError):
                names = {fold(name): name for name in os.listdir(picture.parent)}
            self._names[picture.parent] = names = names or {}
        wanted = picture.stem + self.extension
        return picture.parent / names.get(fold(wanted), wanted)


def _says(path: Path, caption: str) -> bool:
    with suppress(OSError, UnicodeDecodeError):
        return path.is_file() and path.read_text(encoding="utf-8").strip() == caption.strip()
    return False


def _replace(path: Path, text: str) -> bool:
    """The text as a whole file. What was there before the first time is kept under another name (True): what the user
    wrote by hand survives any number of replacements."""
    temporary, kept = path.with_name(f".{uuid.uuid4().hex}.tmp"), path.with_name(path.name + KEPT_ENDING)
    try:
        with temporary.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text + "\n")
        keeps = os.path.lexists(path) and not os.path.lexists(kept)
        if keeps:
            os.rename(path, kept)
        os.replace(temporary, path)
        return keeps
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
