"""Where Save LoRA writes, and that what it wrote loads."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PureWindowsPath
from typing import Any

import folder_paths
import torch

from ...training.data.captions import TRIGGER
from ...training.errors import SettingsError, raise_problems
from ...training.files.atomic import temporary_of
from ...training.files.lengths import lengths_at, too_long
from ...training.files.names import file_path
from ...training.inputs import text_problems
from ...training.lora_file.file import read_lora, unused_path, write_lora
from ...training.lora_file.metadata import dated, with_trigger_words
from ...training.lora_file.modelspec import thumbnail
from ...training.lora_file.peft import WHERE, largest_difference, peft_tensors
from ...training.lora_file.privacy import EVERYTHING, MINIMUM, at_level
from ...training.specs import DTYPES
from ...training.wording import shortened
from ..model.hashes import sha256_of
from .verify import read_back_tensors

KOHYA = "ComfyUI, A1111, Forge (kohya)"
PEFT = "diffusers (PEFT)"
FORMATS = (KOHYA, PEFT)
_LAST_PROCESS = 4_194_304  # the highest number that a half-written file may carry in its name


@dataclass(frozen=True, kw_only=True)
class SaveSpec:
    """What the Save LoRA node says. `about` are modelspec entries; `picture` (1, h, w, 3) in 0..1 becomes the thumbnail;
    `workflow` is the canvas as ComfyUI saves it, to be put into the file."""

    filename: str
    dtype: str = "fp16"
    format: str = KOHYA
    privacy: str = EVERYTHING
    trigger_words: str = ""
    about: Mapping[str, str] = field(default_factory=dict)
    picture: torch.Tensor | None = None
    workflow: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        texts = {"filename": self.filename, "trigger_words": self.trigger_words}
        texts |= {entry.rpartition(".")[2]: text for entry, text in self.about.items()}
        raise_problems(SettingsError, WHERE, [problem for name, text in texts.items() for problem in text_problems(name, text)])


@dataclass(frozen=True)
class SavedLora:
    """`listed` is the file as LoraLoader lists it; `report` says how it was read back."""

    path: Path
    listed: str
    report: str


def save_lora(lora: Mapping[str, torch.Tensor], spec: SaveSpec) -> SavedLora:
    """Write `lora` below models/loras under a name that no file has, and read it back.

    Raises SettingsError for a name that points elsewhere or a format that cannot hold the LoRA, FileError when the file
    would not load.
    """
    spec = replace(spec, filename=_named(spec, lora))
    target = _target(spec.filename, str(getattr(lora, "metadata", {}).get("ss_output_name", "")))
    metadata = _metadata(lora, spec, target.name)
    rows = getattr(lora, "rows", {})
    tensors = peft_tensors(lora, rows) if spec.format == PEFT else lora
    path = unused_path(target.parent, target.name)
    write_lora(path, tensors, metadata, DTYPES[spec.dtype])
    listed = path.relative_to(_root()).as_posix()
    if spec.format == PEFT:
        error = largest_difference(read_lora(path), lora, rows)
        told = f"{len(tensors) // 2} modules in the format of diffusers, largest |dW| error {error:.2g} in {spec.dtype}"
        return SavedLora(path, listed, told)
    return SavedLora(path, listed, f"{read_back_tensors(path, lora, DTYPES[spec.dtype]).summary()} in {spec.dtype}")


def _named(spec: SaveSpec, lora: Mapping[str, torch.Tensor]) -> str:
    """The file's name with the trigger word where it says [trigger]: that of the node, else the data set's. Words that make no name of a
    file are written with _."""
    if TRIGGER not in spec.filename:
        return spec.filename
    words = spec.trigger_words.strip() or str(getattr(lora, "metadata", {}).get("modelspec.trigger_phrase", ""))
    if not words.strip():
        raise SettingsError(WHERE, [f"filename says {TRIGGER}, but no trigger word is set. Set trigger_word on Load Dataset, or write a "
                                    "name."])
    return spec.filename.replace(TRIGGER, re.sub(r"[\\/\s,]+", "_", words.strip()))


def require_filename(filename: str) -> None:
    """Raises SettingsError for a name that no file can be saved under."""
    _target(SaveSpec(filename=filename).filename)


def require_savers(prompt: Mapping[str, Any] | None, node_id: str, node_class: str) -> None:
    """Raises SettingsError for a Save LoRA behind the node whose file name cannot be: ComfyUI would train all the same, and leave the
    saving out. Names that are wired are not known yet."""
    for each in (prompt or {}).values():
        inputs = each.get("inputs", {})
        link, name = inputs.get("lora"), inputs.get("filename")
        if each.get("class_type") == node_class and isinstance(link, list) and link[0] == node_id and isinstance(name, str):
            require_filename(name)


def _metadata(lora: Mapping, spec: SaveSpec, name: str) -> dict[str, str]:
    hashes = _model_hashes(lora) if spec.privacy != MINIMUM else {}
    metadata = {**getattr(lora, "metadata", {}), **hashes, **dated(getattr(lora, "started_at", None)), **spec.about}
    metadata = with_trigger_words(metadata, spec.trigger_words)
    metadata |= {"ss_output_name": name, "modelspec.title": spec.about.get("modelspec.title", name)}
    metadata = at_level(metadata, spec.privacy)
    if spec.picture is not None:
        metadata["modelspec.thumbnail"] = thumbnail((spec.picture[0].clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy())
    if spec.workflow is not None:
        metadata["workflow"] = json.dumps(spec.workflow)
    return metadata


def _model_hashes(lora: Mapping) -> dict[str, str]:
    """Of the files that can be read: a model that was moved meanwhile is no reason not to save."""
    found = {}
    for name, path in getattr(lora, "model_files", {}).items():
        with suppress(OSError):
            found[name] = sha256_of(path)
    return found


def _root() -> Path:
    return Path(folder_paths.get_folder_paths("loras")[0]).resolve()


def _target(filename: str, run: str = "") -> Path:
    """Where the file goes, without its ending; a run whose name got a counter gives it to the file.

    Raises SettingsError for a name that is empty, points out of the loras folder, or is too long.
    """
    root = _root()
    *folders, name = file_path(filename.strip().removesuffix(".safetensors"))
    target = root.joinpath(*folders, name)
    if not all((*folders, name)) or PureWindowsPath(filename.strip()).drive or not target.resolve().is_relative_to(root):
        raise SettingsError(WHERE, [
            f"filename is '{shortened(filename)}', but must name a file inside the loras folder, such as my_lora or characters/my_lora."
        ])
    if re.fullmatch(re.escape(name) + r"_\d+", run):
        target = target.with_name(run)
    lengths = lengths_at(root)
    found = too_long([temporary_of(target.with_name(f"{target.name}_999.safetensors"), _LAST_PROCESS)], lengths)
    if found is not None:
        raise SettingsError(WHERE, [f"filename is too long: {found.told}. Make it shorter by {found.over} {lengths.unit} or more."])
    return target
