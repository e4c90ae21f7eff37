"""A folder while it is edited: what its pictures say now, and every edit of theirs, which lands on the disk at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ...errors import DatasetError, FileError, SettingsError
from ...inputs import half_character
from ...wording import count, some
from ..dataset import Dataset, Sample
from ..folder.caption_files import MAX_CAPTION_BYTES
from ..folder.index import Stamp, stamp_of
from ..folder.walk import fold
from .beside import Beside, as_file, left_out_change, left_out_in, mask_file, text_of
from .change import Change
from .files import Done, FileChange, History, content
from .rows import caption_warnings, picture_rows

WHERE = Change.WHERE


class Elsewhere(Exception):
    """The file has been changed by somebody else since it was read; `text` is what it says now."""

    def __init__(self, name: str, text: str):
        self.text = text
        super().__init__(f"{name} has another caption by now than the one that you edited: it was changed elsewhere. Nothing was written.")


class Album:
    """The samples of a dataset whose pictures lie in files, by their index.

    `dataset` was scanned with those pictures that are left out. `captions_from` and `extension` are Load Dataset's: a caption is
    written only where it would be read. Every method that changes something gives {"rows": what is shown otherwise now, by index,
    "undo": what an undo would take back}.
    """

    def __init__(self, dataset: Dataset, *, extension: str, captions_from: str, history: History):
        self.samples = list(dataset.samples)
        self.history = history
        self._reads_files = captions_from in ("auto", "files")
        self._captions_from = captions_from
        self._beside = Beside(extension)
        self._files = [_file(sample) for sample in self.samples]
        self._captions = [self._beside.caption(file) for file in self._files]
        self._by_caption: dict[Path, list[int]] = {}
        for index, path in enumerate(self._captions):
            self._by_caption.setdefault(path, []).append(index)
        self._stamps = [stamp_of(path) for path in self._captions]
        self._without_file = [sample.caption if stamp is None else "" for sample, stamp in zip(self.samples, self._stamps, strict=True)]
        self._painted = [self._mask_of(index) for index in range(len(self._files))]
        self._left_out = self._which_are_left_out()
        self._rows = picture_rows(dataset, self._left_out)
        self._warned = caption_warnings(self.samples)

    def rows(self) -> list[dict[str, Any]]:
        """All that is shown of every picture, in the dataset's order."""
        with self.history.lock:
            return [{**row, **self._text(index), "warnings": row["warnings"] + self._warned[index]} for index, row in enumerate(self._rows)]

    def sample(self, index: int) -> Sample:
        """Raises SettingsError where there is none."""
        self._require([index])
        return self.samples[index]

    def save_caption(self, index: int, before: Collection[str], text: str, burst: str = "") -> dict[str, Any]:
        """Write the caption of a picture whose caption was one of `before` when it was edited. Raises Elsewhere where it is another
        one by now; SettingsError, FileError."""
        self._require([index])
        self._require_captions()
        if problem := _unwritable(text):
            raise SettingsError(WHERE, [f"the caption of {self.samples[index].name} {problem}"])
        with self.history.lock:
            path, data = self._captions[index], content(self._captions[index])
            now = self._caption_of(index, data)
            if _plain(now) not in {_plain(one) for one in (*before, text)}:
                self._read([index])
                raise Elsewhere(self.samples[index].name, now)
            changes = [FileChange(path, data, as_file(text))] if _plain(now) != _plain(text) else []
            return self._after(self.history.carry_out(self.samples[index].name, changes, burst))

    def change(self, indices: Sequence[int], change: Change) -> dict[str, Any]:
        """Change the captions of these pictures, as their files have them now."""
        self._require(indices)
        self._require_captions()
        with self.history.lock:
            changes: dict[Path, FileChange] = {}
            for index in indices:
                path = self._captions[index]
                if path in changes:
                    continue
                data = content(path)
                now = self._caption_of(index, data)
                text = change.applied(now)
                if problem := _unwritable(text):
                    raise SettingsError(WHERE, [f"the caption of {self.samples[index].name} {problem}"])
                if text != now:
                    changes[path] = FileChange(path, data, as_file(text))
            told = f"{change.kind} '{change.what}'"
            return self._after(self.history.carry_out(told, changes.values()))

    def leave_out(self, indices: Sequence[int], leave_out: bool) -> dict[str, Any]:
        """Leave the pictures out of training, or take them back."""
        self._require(indices)
        with self.history.lock:
            by_folder: dict[Path, list[Path]] = {}
            for index in indices:
                by_folder.setdefault(self._files[index].parent, []).append(self._files[index])
            found = [left_out_change(self._beside.list_of(folder), files, leave_out) for folder, files in by_folder.items()]
            label = ("leave out " if leave_out else "take back ") + count(len(indices), "picture")
            return self._after(self.history.carry_out(label, [change for change in found if change]))

    def mask(self, index: int) -> bytes | None:
        """The painted mask's file; None without one."""
        self._require([index])
        return content(self._beside.mask(self._files[index]))

    def save_mask(self, index: int, png: bytes | None) -> dict[str, Any]:
        """Write a painted mask of the picture's shape, white is trained; None removes it. Raises DatasetError."""
        sample = self.sample(index)
        data = None if png is None else mask_file(png, sample.picture.size(), sample.name)
        with self.history.lock:
            self._beside.forget()
            path = self._beside.mask(self._files[index])
            return self._after(self.history.carry_out(f"mask of {sample.name}", [FileChange(path, content(path), data)]))

    def undo(self) -> dict[str, Any]:
        """Take the last edit back."""
        undone = self.history.undo()
        if undone is None:
            raise SettingsError(WHERE, ["there is nothing to undo."])
        label, done = undone
        return {**self._after(done), "undone": label}

    def refreshed(self) -> dict[str, Any]:
        """What was changed elsewhere meanwhile."""
        with self.history.lock:
            self._beside.forget()
            return self._answer(self._read(range(len(self.samples))) | self._look_for_masks(), [])

    # --- what it takes ---

    def _after(self, done: Done) -> dict[str, Any]:
        """What is shown otherwise, once files were changed. Raises FileError where one could not be."""
        now = {change.path: change.after for change in done.made}
        paths = {*now, *done.clashes}
        changed = self._read([index for path in paths for index in self._by_caption.get(path, ())], now)
        if done.error:
            made = f" {count(len(done.made), 'file')} before it were changed: Undo takes that back." if done.made else ""
            raise FileError(f"{done.error}{made}")
        if any(path.suffix == ".png" for path in paths):
            self._beside.forget()
            changed |= self._look_for_masks()
        return self._answer(changed, done.clashes)

    def _answer(self, changed: Iterable[int], clashes: Sequence[Path]) -> dict[str, Any]:
        before_left, before_warned = self._left_out, self._warned
        self._left_out, self._warned = self._which_are_left_out(), caption_warnings(self.samples)
        other = {index for index in range(len(self.samples)) if self._warned[index] != before_warned[index]}
        shown = sorted(set(changed) | other | (before_left ^ self._left_out))
        rows = {index: {**self._text(index), "warnings": self._rows[index]["warnings"] + self._warned[index]} for index in shown}
        skipped = f"{count(len(clashes), 'file')} changed elsewhere meanwhile, and left: {some(path.name for path in clashes)}."
        return {"rows": rows, "undo": self.history.last, **({"skipped": skipped} if clashes else {})}

    def _text(self, index: int) -> dict[str, Any]:
        return {"caption": self.samples[index].caption, "left_out": index in self._left_out, "painted": self._painted[index]}

    def _mask_of(self, index: int) -> str | bool:
        """The version of the painted mask; False without one."""
        file = self._files[index]
        stamp = stamp_of(self._beside.mask(file)) if self._beside.has_mask(file) else None
        return False if stamp is None else f"{stamp[1]:x}"

    def _look_for_masks(self) -> set[int]:
        """Which pictures have another mask than they had."""
        before, self._painted = self._painted, [self._mask_of(index) for index in range(len(self._files))]
        return {index for index, mask in enumerate(self._painted) if mask != before[index]}

    def _read(self, indices: Iterable[int], known: Mapping[Path, bytes | None] = MappingProxyType({})) -> set[int]:
        """Take over the captions whose files are others than they were, which those are; `known` is what some files hold."""
        changed = set()
        for index in indices:
            path = self._captions[index]
            stamp: Stamp | None = stamp_of(path)
            if stamp == self._stamps[index]:
                continue
            self._stamps[index] = stamp
            caption = self._caption_of(index, known[path] if path in known else content(path))
            if caption != self.samples[index].caption:
                self.samples[index] = replace(self.samples[index], caption=caption)
                changed.add(index)
        return changed

    def _caption_of(self, index: int, data: bytes | None) -> str:
        text = text_of(data) if self._reads_files else None
        return self._without_file[index] if text is None else text

    def _which_are_left_out(self) -> frozenset[int]:
        lists = {folder: left_out_in(self._beside.list_of(folder)) for folder in {file.parent for file in self._files}}
        return frozenset(index for index, file in enumerate(self._files) if fold(file.name) in lists[file.parent])

    def _require(self, indices: Sequence[int]) -> None:
        if strange := [index for index in indices if not 0 <= index < len(self.samples)]:
            raise SettingsError(WHERE, [f"there is no picture {some(map(str, strange))}; there are {len(self.samples)}."])

    def _require_captions(self) -> None:
        if not self._reads_files:
            raise SettingsError(WHERE, [
                f"captions_from on Load Dataset is '{self._captions_from}', so caption files beside the pictures are not read. Set it to "
                "'auto' or 'files' to edit captions here."
            ])


def _file(sample: Sample) -> Path:
    if sample.picture.file is None:
        raise DatasetError(WHERE, [f"{sample.name} lies in no file, so it cannot be edited."])
    return sample.picture.file


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").strip()


def _unwritable(text: str) -> str | None:
    if problem := half_character(text):
        return problem
    most = MAX_CAPTION_BYTES // 4
    return f"has {len(text):,} characters, but may have {most:,}. Shorten it." if len(text) > most else None
