"""The references of an edit model: pictures of another folder that belong to the pictures of the dataset by their names.

dog1.png has dog1.png (or .jpg, …), then dog1_1.png, dog1_2.png, … in the order of their numbers: all that there are. They are
looked for in the sub-folder of the same name, then at the top of the reference folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from ...wording import count, some
from ..dataset import Sample
from ..decoding import EXTENSIONS
from ..pictures import FilePicture
from .walk import File, fold, printable, walk

_NUMBERED = re.compile(r"(.+)_(\d+)", re.DOTALL)
Files = dict[str, list[tuple[int, File]]]
"""Stem of a picture, folded -> (number, file) of what may belong to it; -1 for the file of the very name."""


def with_references(samples: list[Sample], folder: Path, problems: list[str], warnings: list[str]) -> list[Sample]:
    """The samples with their references; those without any go to `problems`, files that belong to none to `warnings`."""
    stems = {fold(Path(sample.name).stem) for sample in samples}
    found = {below.name: _by_owner(below.files.values(), stems) for below in walk(folder, recursive=True, skipped=warnings)}
    paired, missing, used = [], [], set()
    for sample in samples:
        path = Path(sample.name)
        files = next((files for place in (path.parent.as_posix(), ".") if (files := _of(found, place, path.stem))), [])
        used.update(file.path for file in files)
        if files:
            pictures = tuple(FilePicture(file.path, f"reference {printable(file.name)}") for file in files)
            paired.append(replace(sample, references=pictures))
        else:
            missing.append(sample.name)
    if missing:
        problems.append(
            f"{count(len(missing), 'picture')} without a reference in '{printable(folder.name)}': {some(missing)}. Put a picture of the "
            "same name there, or load these pictures with a Load Dataset of their own, without reference_folder, and merge the two."
        )
    unused = [printable(file.name) for own in found.values() for files in own.values() for _, file in files if file.path not in used]
    if unused:
        warnings.append(f"{count(len(unused), 'reference')} that no picture has the name of: {some(unused)}. They are not used.")
    return paired


def _by_owner(files: Iterable[File], stems: set[str]) -> Files:
    """dog_1.png belongs to dog_1 where there is such a picture, else it is one of dog's."""
    owned: Files = {}
    for file in files:
        if file.path.suffix.lower() not in EXTENSIONS:
            continue
        stem, number = fold(file.path.stem), -1
        numbered = _NUMBERED.fullmatch(stem)
        if numbered and stem not in stems:
            stem, number = numbered[1], int(numbered[2])
        owned.setdefault(stem, []).append((number, file))
    return {stem: sorted(members, key=lambda member: (member[0], member[1].name)) for stem, members in owned.items()}


def _of(found: dict[str, Files], place: str, stem: str) -> list[File]:
    files = found.get("" if place == "." else place, {}).get(fold(stem), [])
    return [file for _, file in files]
