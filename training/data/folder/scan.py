"""A folder of pictures, clips and captions -> Dataset, in the layout that kohya's users know.

    dataset/
      10_sks dog/     10 repeats, class words "sks dog"
        a.jpg  a.txt  a-mask.png
        b.mp4  b.txt
      plain/          1 repeat
      metadata.jsonl  captions by file name (or metadata.csv)

Only headers are read. What cannot be used is named in `Dataset.problems` and left out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from ...errors import DatasetError, SettingsError, raise_problems
from ...wording import count, some
from ..clips.file_clip import VIDEOS
from ..clips.timing import ClipSpec
from ..dataset import ALPHA, REGULARISATION, VALIDATION, Dataset, Sample
from ..decoding import EXTENSIONS, WHERE
from ..pictures import FilePicture
from ..specs import CaptionSpec
from .caption_files import Metadata, read_text
from .clips import clip_notes, picture_of, without_reader
from .headers import read_headers
from .index import FileIndex
from .left_out import left_out_of, told_left_out
from .leftovers import leftovers, unread_tables, without_plugin
from .references import with_references
from .splits import balance_regularisation, hold_out
from .walk import File, Folder, fold, printable, walk

CAPTIONS_FROM = ("auto", "files", "metadata", "class words")
MASKS = ("none", "alpha", "files", "alpha and files")
MASK_ENDINGS = ("-mask", "-masklabel")
_REPEATS = re.compile(r"(\d+)_(.*)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class ScanSpec:
    """How a folder is read.

    `repeats` multiplies what folder names say. `captions_from`: text files beside the pictures, metadata files, the
    folder's class words, or 'auto': the first of these that a picture has. `masks`: none, the pictures' alpha, files
    ('a-mask.png' beside 'a.png', or the same name in `mask_folder`), or both. `alpha` and `background`: see Sample.
    `regularisation_folder` holds class pictures whose loss counts `prior_loss_weight` times; with
    `balance_regularisation` they are seen as often as all training pictures together, as in kohya.
    `validation_fraction` (0..1) of the pictures, or all of `validation_folder`, are held out. `captions`: see Sample.
    `reference_folder` holds what an edit model is shown beside each of them, by name; regularisation pictures have none.
    `clips`: what is taken of videos and animated pictures. `with_left_out`: pictures that are left out by hand are there too, to be
    looked at.
    """

    repeats: int = 1
    caption_extension: str = ".txt"
    captions_from: str = "auto"
    recursive: bool = True
    masks: str = "none"
    mask_folder: Path | None = None
    alpha: str = "background"
    background: tuple[int, int, int] = (255, 255, 255)
    regularisation_folder: Path | None = None
    prior_loss_weight: float = 1.0
    balance_regularisation: bool = True
    validation_fraction: float = 0.0
    validation_folder: Path | None = None
    captions: CaptionSpec = CaptionSpec()
    reference_folder: Path | None = None
    clips: ClipSpec = ClipSpec()
    with_left_out: bool = False

    def __post_init__(self) -> None:
        problems = []
        if self.repeats < 1:
            problems.append(f"repeats is {self.repeats} but must be at least 1.")
        if not re.fullmatch(r"\.[\w.-]{1,20}", self.caption_extension) or ".." in self.caption_extension:
            problems.append(f"caption_extension is '{self.caption_extension}' but must be a dot and letters, as '.txt'.")
        for name, allowed in (("captions_from", CAPTIONS_FROM), ("masks", MASKS), ("alpha", ALPHA)):
            if getattr(self, name) not in allowed:
                problems.append(f"{name} is '{getattr(self, name)}' but must be one of {', '.join(allowed)}.")
        if not 0 <= self.validation_fraction < 1:
            problems.append(f"validation_fraction is {self.validation_fraction} but must be from 0 to below 1 (0.1).")
        if self.prior_loss_weight < 0:
            problems.append(f"prior_loss_weight is {self.prior_loss_weight} but must be at least 0 (1 is usual).")
        raise_problems(SettingsError, WHERE, problems + self.clips.problems())


@dataclass
class Findings:
    """What a scan has to say, collected on the way. `endings` counts the files that lie there; `left_out` are the pictures that a
    list leaves out."""

    problems: list[str]
    warnings: list[str]
    endings: Counter[str] = field(default_factory=Counter)
    left_out: list[str] = field(default_factory=list)


def scan_folder(
    folder: Path,
    spec: ScanSpec | None = None,
    *,
    index: FileIndex | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    **settings,
) -> Dataset:
    """The dataset in `folder`; `settings` are fields of ScanSpec. `on_progress(done, total)` counts headers read.

    Raises DatasetError when the folder is missing or holds no picture.
    """
    spec = replace(spec or ScanSpec(), **settings)
    findings = Findings([], _unused_settings(spec))
    apart = [path for path in _apart(spec) if path]
    samples = _samples(folder, spec, findings, skip=apart)
    if spec.validation_folder:
        held = _samples(spec.validation_folder, replace(spec, repeats=1), findings, skip=[])
        samples += [replace(sample, role=VALIDATION, repeats=1) for sample in held]
    if spec.reference_folder:
        samples = with_references(samples, spec.reference_folder, findings.problems, findings.warnings)
    if spec.regularisation_folder:
        classes = _samples(spec.regularisation_folder, replace(spec, masks="none", repeats=1), findings, skip=[])
        samples += [replace(sample, role=REGULARISATION, weight=spec.prior_loss_weight) for sample in classes]
    if findings.left_out:
        findings.warnings.append(told_left_out(findings.left_out))
    samples = without_plugin(without_reader(samples, findings.problems), findings.warnings)
    samples = read_headers(samples, findings.problems, index, on_progress)
    if not samples:
        raise DatasetError(WHERE, [_nothing_found(folder, spec, findings), *findings.problems, *findings.warnings])
    findings.warnings += clip_notes(samples, spec.clips)
    samples = hold_out(samples, spec.validation_fraction)
    if spec.balance_regularisation:
        samples = balance_regularisation(samples)
    return Dataset(
        samples=tuple(samples), problems=tuple(findings.problems), warnings=tuple(findings.warnings),
        left_out=tuple(findings.left_out), facts={"folder": printable(folder.name)},
    )


def _apart(spec: ScanSpec) -> tuple[Path | None, ...]:
    """Folders of another purpose: they may lie inside the dataset's own."""
    return spec.mask_folder, spec.regularisation_folder, spec.validation_folder, spec.reference_folder


def _unused_settings(spec: ScanSpec) -> list[str]:
    """What is set and not read because of another setting."""
    found = []
    if spec.mask_folder and "files" not in spec.masks:
        found.append(f"mask_folder is set but masks is '{spec.masks}', so no mask is read from it. Set masks to 'files', or to "
                     "'alpha and files'.")
    if spec.prior_loss_weight != ScanSpec.prior_loss_weight and not spec.regularisation_folder:
        found.append(f"prior_loss_weight is {spec.prior_loss_weight:g} but there is no regularisation_folder, so nothing has it.")
    if spec.caption_extension != ScanSpec.caption_extension and spec.captions_from not in ("auto", "files"):
        found.append(f"caption_extension is '{spec.caption_extension}' but captions_from is '{spec.captions_from}', so no such file is "
                     "read.")
    return found


def _nothing_found(folder: Path, spec: ScanSpec, findings: Findings) -> str:
    below = "or its sub-folders" if spec.recursive else "itself (recursive is off, so its sub-folders are not looked at)"
    others = some(f"{number:,} x {ending or 'without ending'}" for ending, number in findings.endings.most_common())
    return (
        f"there is no usable picture in '{printable(folder.name)}' {below}. "
        f"Put {', '.join(ending[1:] for ending in EXTENSIONS + VIDEOS)} files there, or choose another folder. "
        + (f"What lies there: {others}." if others else "It is empty.")
    )


def _samples(root: Path, spec: ScanSpec, findings: Findings, skip: list[Path]) -> list[Sample]:
    """Every picture below `root` as a sample whose header has not been read yet."""
    if not root.is_dir():
        raise DatasetError(WHERE, [f"the folder '{printable(root.name)}' does not exist. Check its name."])
    root = root.resolve()
    skipped_roots = {path.resolve() for path in skip}
    folders = [
        folder
        for folder in walk(root, recursive=spec.recursive, skipped=findings.warnings)
        if not skipped_roots & {folder.path, *folder.path.parents}
    ]
    metadata = Metadata()
    if spec.captions_from in ("auto", "metadata"):
        for folder in folders:
            metadata.add(folder, findings.problems, findings.warnings)
    masks = _mask_folders(spec, findings)
    samples = [
        _sample(file, folder, root, spec, metadata, masks, findings)
        for folder in folders
        for file in _trained(folder, spec, findings)
    ]
    findings.endings.update(printable(Path(name).suffix.lower()) for folder in folders for name in folder.files)
    findings.warnings += _not_used(folders, spec, metadata, samples)
    unmasked = [sample.name for sample in samples if "files" in spec.masks and sample.mask is None]
    if unmasked:
        findings.warnings.append(f"{count(len(unmasked), 'picture')} without a mask file: {some(unmasked)}. They are trained whole.")
    return samples


def _not_used(folders: list[Folder], spec: ScanSpec, metadata: Metadata, samples: list[Sample]) -> Iterator[str]:
    """What lies there and is not read, though its owner may think so."""
    yield from leftovers(folders, spec.caption_extension, spec.captions_from in ("auto", "files"))
    yield from metadata.strangers([file.name for folder in folders for file in _pictures(folder)])
    if spec.captions_from == "metadata" and not metadata.found:
        yield "captions_from is 'metadata', but there is neither a metadata.jsonl nor a metadata.csv."
    if spec.captions_from in ("auto", "metadata") and not all(sample.caption for sample in samples):
        yield from unread_tables(folders)
    masks = sum(len(_picture_files(folder)) - len(_pictures(folder)) for folder in folders)
    if masks and "files" not in spec.masks:
        yield f"{count(masks, 'mask file')} beside the pictures not used: masks is '{spec.masks}'. Set it to 'files' to use them."


def _mask_folders(spec: ScanSpec, findings: Findings) -> dict[str, Folder]:
    """The folders below the mask folder by their names relative to it."""
    if not spec.mask_folder or "files" not in spec.masks:
        return {}
    return {folder.name: folder for folder in walk(spec.mask_folder, recursive=True, skipped=findings.warnings)}


def _pictures(folder: Folder) -> list[File]:
    """The picture files, without the masks that lie beside them."""
    pictures = _picture_files(folder)
    stems = {Path(name).stem for name in pictures}
    return [file for name, file in pictures.items() if not _is_mask(Path(name).stem, stems)]


def _trained(folder: Folder, spec: ScanSpec, findings: Findings) -> list[File]:
    """The pictures, without those that are left out by hand."""
    pictures, out = _pictures(folder), left_out_of(folder, findings.problems, findings.warnings)
    findings.left_out += [printable(file.name) for file in pictures if fold(file.path.name) in out]
    return pictures if spec.with_left_out else [file for file in pictures if fold(file.path.name) not in out]


def _picture_files(folder: Folder) -> dict[str, File]:
    return {name: file for name, file in folder.files.items() if Path(name).suffix.lower() in EXTENSIONS + VIDEOS}


def _is_mask(stem: str, stems: set[str]) -> bool:
    return any(stem.endswith(ending) and stem.removesuffix(ending) in stems for ending in MASK_ENDINGS)


def _sample(
    file: File, folder: Folder, root: Path, spec: ScanSpec, metadata: Metadata, masks: dict[str, Folder], findings: Findings
) -> Sample:
    repeats, class_words = folder_repeats(folder.name, root.name, findings)
    mask = _mask_file(file, folder, masks.get(folder.name)) if "files" in spec.masks else None
    return Sample(
        name=printable(file.name),
        picture=picture_of(file, spec.clips),
        caption=_caption(file, folder, spec, metadata, findings),
        repeats=spec.repeats * repeats,
        mask=FilePicture(mask.path, printable(mask.name)) if mask else None,
        folder=printable(folder.name),
        class_words=class_words if spec.captions_from in ("auto", "class words") else "",
        alpha="mask" if "alpha" in spec.masks else spec.alpha,
        background=spec.background,
        captions=spec.captions,
    )


def folder_repeats(name: str, root_name: str, findings: Findings) -> tuple[int, str]:
    """(repeats, class words) of the nearest folder called 'N_words', from the picture's own up to the dataset's."""
    for part in [*reversed(name.split("/") if name else []), root_name]:
        found = _REPEATS.fullmatch(part)
        if found and int(found[1]) > 0:
            repeats = int(found[1])
            warning = f"the folder '{printable(part)}' means {repeats} repeats of each picture. Rename it if that is not meant."
            if repeats > 200 and warning not in findings.warnings:
                findings.warnings.append(warning)
            return min(repeats, 10_000), printable(found[2].strip())
    return 1, ""


def _caption(file: File, folder: Folder, spec: ScanSpec, metadata: Metadata, findings: Findings) -> str:
    if spec.captions_from in ("auto", "files"):
        text = folder.find(file.path.stem + spec.caption_extension)
        if text:
            return read_text(text, findings.problems, findings.warnings)
    return metadata.get(file.name)


def _mask_file(file: File, folder: Folder, mask_folder: Folder | None) -> File | None:
    stem = file.path.stem
    names = [stem + mark + ending for mark in MASK_ENDINGS for ending in EXTENSIONS]
    found = next((beside for name in names if (beside := folder.find(name))), None)
    if not found and mask_folder:
        found = next((mask for ending in EXTENSIONS if (mask := mask_folder.find(stem + ending))), None)
    return found
