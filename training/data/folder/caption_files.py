"""Reading captions: text files beside the pictures, metadata.jsonl or metadata.csv."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePosixPath

from ...inputs import shown
from ...wording import count, some
from .walk import File, Folder, fold, printable

MAX_CAPTION_BYTES = 1 << 20
MAX_METADATA_BYTES = 256 << 20
NAME_KEYS = ("file_name", "filename", "image", "path", "file")
TEXT_KEYS = ("text", "caption", "prompt", "tags")


def read_text(file: File, problems: list[str], warnings: list[str], limit: int = MAX_CAPTION_BYTES) -> str:
    """A text file's content; '' with a line in `problems` where it cannot be read.

    UTF-8 or UTF-16 by its mark; bytes that are neither are read as Windows-1252, with a line in `warnings`.
    """
    name = printable(file.name)
    if file.stamp[0] > limit:
        problems.append(f"{name}: has {file.stamp[0]:,} bytes; a text file may have {limit:,}. Is it a caption at all?")
        return ""
    try:
        with file.path.open("rb") as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        problems.append(f"{name}: cannot be read ({error.strerror or error}). Check its rights.")
        return ""
    text, is_utf = text_in(data)
    if not is_utf:
        warnings.append(f"{name}: is not UTF-8; it was read as Windows-1252. Save it as UTF-8.")
    return text


def text_in(data: bytes) -> tuple[str, bool]:
    """The text that a file's bytes hold, and whether they are UTF-8 or UTF-16."""
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text, is_utf = data.decode(encoding), True
    except UnicodeDecodeError:
        text, is_utf = data.decode("cp1252", "replace"), False
    return text.replace("\0", "").strip(), is_utf


class Metadata:
    """The captions that the metadata files of a dataset give, by the picture's path below the dataset."""

    def __init__(self) -> None:
        self._captions: dict[str, str] = {}
        self._said_in: dict[str, str] = {}
        self.found = False

    def add(self, folder: Folder, problems: list[str], warnings: list[str]) -> None:
        """Read metadata.jsonl and metadata.csv of `folder`; names in them count from there."""
        for name, rows in (("metadata.jsonl", _json_lines), ("metadata.csv", _csv_rows)):
            file = folder.find(name)
            if file is None:
                continue
            self.found = True
            text = read_text(file, problems, warnings, MAX_METADATA_BYTES)
            for number, row in rows(text, printable(file.name), problems, warnings):
                picture, caption = _first(row, NAME_KEYS), _first(row, TEXT_KEYS)
                if not picture:
                    problems.append(f"{printable(file.name)} line {number}: has no 'file_name'. Name the picture.")
                    continue
                path = PurePosixPath(folder.name, picture.replace("\\", "/"))
                self._captions[str(path)] = caption
                self._said_in[str(path)] = printable(file.name)

    def get(self, name: str) -> str:
        return self._captions.get(name, "")

    def strangers(self, pictures: Sequence[str]) -> Iterator[str]:
        """A line for each metadata file with names that no picture has; `pictures` are the paths of those that there are."""
        there = set(pictures)
        by_file: dict[str, list[str]] = {}
        for name, file in self._said_in.items():
            by_file.setdefault(file, []).append(name)
        for file, names in by_file.items():
            strange = [name for name in names if name not in there]
            if strange:
                which = "none of its names is" if len(strange) == len(names) else f"{count(len(strange), 'name')} not"
                yield f"{file}: {which} that of a picture here: {some(map(printable, strange), 3)}. {_nearest(strange[0], pictures)}"


def _nearest(name: str, pictures: Sequence[str]) -> str:
    """What may have been meant by a name that no picture has."""
    def kin(part: Callable[[PurePosixPath], str]) -> str | None:
        return next((picture for picture in pictures if fold(part(PurePosixPath(picture))) == fold(part(PurePosixPath(name)))), None)

    near = kin(lambda path: path.name) or kin(lambda path: path.stem)
    if near:
        return f"Is '{printable(near)}' meant? Write it so: paths count from the folder of the file, endings included."
    return f"The pictures here are called {some(map(printable, pictures), 3)}." if pictures else "There is no picture here."


def _columns(first_line: str, mark: str) -> set[str]:
    return {part.strip().strip('"').lower() for part in first_line.split(mark)}


def _first(row: dict, keys: tuple[str, ...]) -> str:
    lower = {str(key).strip().lower(): value for key, value in row.items() if key is not None}
    return next((str(lower[key]).strip() for key in keys if lower.get(key) not in (None, "")), "")


def _json_lines(text: str, name: str, problems: list[str], warnings: list[str]):
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            problems.append(f'{name} line {number}: is not a JSON object such as {{"file_name": "a.png", "text": "..."}}.')
            continue
        yield number, row


def _csv_rows(text: str, name: str, problems: list[str], warnings: list[str]):
    first_line = text.partition("\n")[0].strip()
    mark = next((mark for mark in ",;\t" if _columns(first_line, mark) & set(NAME_KEYS)), None)
    if mark is None:
        problems.append(f"{name}: its first line is '{shown(first_line)}', but must name the columns: file_name,text.")
        return
    if mark != ",":
        between = "tabs" if mark == "\t" else f"'{mark}'"
        warnings.append(f"{name}: {between} and not commas stand between its columns; it was read so.")
    if not _columns(first_line, mark) & set(TEXT_KEYS):
        warnings.append(f"{name}: has no column 'text', so it gives no captions. Name the column of the captions so.")
    reader = csv.DictReader(io.StringIO(text), strict=True, delimiter=mark)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        problems.append(f"{name} line {reader.line_num}: is not valid CSV ({error}). Save it as CSV with a header line.")
