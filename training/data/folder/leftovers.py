"""Files that lie in a dataset's folder and are not used, though their owner may think so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from ...wording import count, some
from ..clips.file_clip import VIDEOS
from ..dataset import Sample
from ..decoding import EXTENSIONS
from ..formats.plugins import Plugin, missing_for
from .walk import Folder, fold, printable

UNREAD = (".tif", ".tiff", ".jp2", ".psd", ".svg", ".tga", ".dng", ".cr2", ".nef")
CAPTIONS = (".txt", ".caption", ".tags", ".cap")
TABLES = (".json", ".jsonl", ".csv", ".tsv", ".toml", ".parquet")
_READ_TABLES = ("metadata.jsonl", "metadata.csv")
_NOTES = ("readme", "license", "sample", "prompts")


def leftovers(folders: Iterable[Folder], caption_extension: str, uses_captions: bool) -> Iterator[str]:
    """A line for pictures of formats that are not read, one for captions without a picture, and one for each other ending
    that captions have beside their pictures."""
    unread, orphans, others = [], [], {}
    for folder in folders:
        stems = {fold(Path(name).stem) for name in folder.files if Path(name).suffix.lower() in EXTENSIONS + VIDEOS}
        for name, file in folder.files.items():
            path = Path(name)
            ending, has_picture = path.suffix.lower(), fold(path.stem) in stems
            if ending in UNREAD:
                unread.append(printable(file.name))
            elif ending == caption_extension and not has_picture and path.stem.lower() not in _NOTES:
                orphans.append(printable(file.name))
            elif ending in CAPTIONS and ending != caption_extension and has_picture:
                others.setdefault(ending, []).append(printable(file.name))
    if unread:
        yield f"{count(len(unread), 'picture')} in a format that is not read: {some(unread)}. Convert to PNG or JPEG."
    if orphans and uses_captions:
        yield (f"{count(len(orphans), 'caption file')} without a picture of the same name: {some(orphans)}. "
               "Rename one of the two.")
    for ending, names in others.items() if uses_captions else ():
        yield (f"{count(len(names), 'file')} that may be captions and are not read: {some(names)}. Captions here end in "
               f"'{caption_extension}'; set caption_extension to '{ending}' if these are the ones.")


def unread_tables(folders: Iterable[Folder]) -> Iterator[str]:
    """A line for files that may hold the captions of pictures that have none."""
    names = [printable(file.name) for folder in folders for name, file in folder.files.items()
             if Path(name).suffix.lower() in TABLES and name.lower() not in _READ_TABLES]
    if names:
        yield f"{some(names)}: not read. Of captions in one file only {' and '.join(_READ_TABLES)} are read."


def without_plugin(samples: list[Sample], warnings: list[str]) -> list[Sample]:
    """The samples whose picture Pillow can read here; for the others a line for each plugin that is missing."""
    missing: dict[Plugin, list[str]] = {}
    read = []
    for sample in samples:
        plugin = missing_for(Path(sample.name))
        if plugin is None:
            read.append(sample)
        else:
            missing.setdefault(plugin, []).append(sample.name)
    for plugin, names in missing.items():
        warnings.append(f"{count(len(names), f'{plugin.name} picture')} left out, because Pillow's plugin for them is not installed: "
                        f"{some(names)}. Run: {plugin.install_line}, and restart ComfyUI; or convert them to PNG or JPEG.")
    return read
