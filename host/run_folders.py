"""Where runs lie on disk, and which of their files the panel may read."""

from __future__ import annotations

from pathlib import Path

import folder_paths

from ..training.output.loss_plot import PLOT_NAME
from ..training.output.records import SAMPLES_FOLDER, THUMBNAILS_FOLDER

PICTURE_FOLDERS = (SAMPLES_FOLDER, THUMBNAILS_FOLDER)
PICTURE_SUFFIXES = (".png", ".jpg", ".webp")


def runs_root() -> Path:
    """The folder that holds one folder a run."""
    return Path(folder_paths.get_output_directory()) / "lora_canvas"


def _is_plain_name(name: str) -> bool:
    """One path component, the same on every system: no separators, drives, dots alone or control characters."""
    return bool(name) and name.strip(". ") != "" and not any(sign in '/\\:\0' or ord(sign) < 32 for sign in name)


def _inside(path: Path, root: Path) -> bool:
    return path.resolve().is_relative_to(root.resolve())


def find_run(name: str, root: Path | None = None) -> Path | None:
    """The run's folder; None when there is none of that name under the root, links followed."""
    root = root or runs_root()
    folder = root / name if _is_plain_name(name) else None
    return folder if folder and folder.is_dir() and _inside(folder, root) else None


def find_picture(folder: Path, relative: str) -> Path | None:
    """A picture of the run: loss.png, or one in samples/; None for everything else."""
    where, _, name = relative.rpartition("/")
    allowed = where in PICTURE_FOLDERS or (where == "" and name == PLOT_NAME)
    if not allowed or not _is_plain_name(name) or Path(name).suffix.lower() not in PICTURE_SUFFIXES:
        return None
    path = folder / where / name
    return path if path.is_file() and _inside(path, folder) else None


def list_runs(root: Path | None = None) -> list[Path]:
    """Every run's folder, in no particular order."""
    root = root or runs_root()
    if not root.is_dir():
        return []
    return [folder for folder in root.iterdir() if folder.is_dir() and _inside(folder, root)]
