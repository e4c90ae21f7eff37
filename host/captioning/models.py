"""The captioners in ComfyUI's models folder: models/lora_canvas_captioners/<name>/, and how they get there."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import folder_paths

from ...training.captioning.captioner import WHERE
from ...training.captioning.catalog import (
    CATALOG,
    GENERATOR,
    GENERATOR_PATTERNS,
    TAGGER,
    kind_of,
    missing_files,
    readable,
)
from ...training.captioning.download import download
from ...training.captioning.wd14 import MODEL_FILE, TAGS_FILE
from ...training.errors import ModelError, SettingsError
from ...training.registry import near_names

log = logging.getLogger(__name__)
FOLDER_KEY = "lora_canvas_captioners"
FROM_HUB = "other (hub_model)"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class Model:
    """A whole captioner on disk; `kind` is TAGGER or GENERATOR."""

    folder: Path
    kind: str


def register_folder() -> None:
    """Make the models folder known to ComfyUI, so that extra_model_paths.yaml can add others."""
    folder_paths.add_model_folder_path(FOLDER_KEY, str(Path(folder_paths.models_dir) / FOLDER_KEY))


def captioner_names() -> list[str]:
    """What the canvas offers: published models, then those that lie on disk only, then any of the hub."""
    local = sorted(path.name for root in _roots() if root.is_dir() for path in root.iterdir() if path.is_dir() and kind_of(path))
    return [*CATALOG, *(name for name in dict.fromkeys(local) if name not in CATALOG), FROM_HUB]


def find_model(name: str, hub_model: str, may_download: bool, on_progress: Callable[[int, int], None]) -> Model:
    """The model that the widgets name, downloaded first where it is missing and the user allowed it.

    Raises SettingsError for an unknown name, ModelError that names the folder and the files where it is missing.
    """
    folder_name, repo = _named(name, hub_model)
    folder = next((root / folder_name for root in _roots() if kind_of(root / folder_name)), _roots()[0] / folder_name)
    kind = kind_of(folder)
    if kind is None:
        if not may_download or not repo:
            raise _missing(folder_name, repo, folder)
        known = CATALOG.get(folder_name)
        log.info("downloading the captioner %s to %s", repo, folder)
        download(repo, known.patterns if known else (*GENERATOR_PATTERNS, MODEL_FILE, TAGS_FILE), folder, on_progress)
        kind = kind_of(folder)
        if kind is None:
            raise ModelError(WHERE, [
                f"{repo} was downloaded to {folder}, but is no captioner: {_lacks(folder)} missing. Choose a WD14 tagger, or an "
                "image-text-to-text model that transformers can load."
            ])
    return Model(folder, kind)


def model_stamp(name: str, hub_model: str) -> str:
    """Changes when the model's folder does, so that the node runs again."""
    try:
        folder_name, _ = _named(name, hub_model)
    except SettingsError:
        return ""
    files = (path for root in _roots() if (root / folder_name).is_dir() for path in sorted((root / folder_name).iterdir()))
    return repr([(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files if path.is_file()])


def _roots() -> list[Path]:
    return [Path(root) for root in folder_paths.get_folder_paths(FOLDER_KEY)]


def _named(name: str, hub_model: str) -> tuple[str, str]:
    """(folder name, hub id or ''). Raises SettingsError unless the name is one that the canvas offers."""
    if name == FROM_HUB:
        repo = hub_model.strip()
        if not _HUB_ID.fullmatch(repo) or ".." in repo:
            raise SettingsError(WHERE, [
                f"captioner is '{FROM_HUB}', so hub_model must be the id of a model on the hub, such as "
                f"florence-community/Florence-2-large-ft; it is '{repo}'."
            ])
        return repo.replace("/", "--"), repo
    if name not in captioner_names():
        near = near_names(name, captioner_names())
        raise SettingsError(WHERE, [f"captioner is '{name}', which is not among those in {_roots()[0]}. {near}"])
    return name, CATALOG[name].repo if name in CATALOG else ""


def _missing(name: str, repo: str, folder: Path) -> ModelError:
    known = CATALOG.get(name)
    size = f" (about {readable(known.size)})" if known else ""
    files = " and ".join(known.patterns) if known and known.kind == TAGGER else "all .json, .txt and .safetensors files"
    offer = f"Switch download_model on to fetch it from {repo}{size}, or put" if repo else "Put"
    lacking = f" ({_lacks(folder)} missing)" if folder.is_dir() else ""
    return ModelError(WHERE, [
        f"the captioner {name} is not on this machine yet{lacking}. {offer} its files ({files}) into the folder {folder}."
    ])


def _lacks(folder: Path) -> str:
    known = CATALOG.get(folder.name)
    kind = known.kind if known else TAGGER if (folder / TAGS_FILE).is_file() or (folder / MODEL_FILE).is_file() else GENERATOR
    names = missing_files(folder, kind)
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'}"
