"""Where runs lie on disk, and which of their files the panel may read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import folder_paths

from ...training.errors import SettingsError, StateError
from ...training.files.strangers import leads_inside
from ...training.record.loss_plot import PLOT_NAME
from ...training.record.records import SAMPLES_FOLDER, THUMBNAILS_FOLDER
from ...training.record.taken import held, new_folder
from ...training.registry import near_names
from ...training.run.state import LAST_GOOD, last_good_file, state_file
from ...training.specs import AUTO, NEW, RunSpec

PICTURE_FOLDERS = (SAMPLES_FOLDER, THUMBNAILS_FOLDER)
PICTURE_SUFFIXES = (".png", ".jpg", ".webp")


def runs_root() -> Path:
    """The folder that holds one folder a run."""
    return Path(folder_paths.get_output_directory()) / "lora_canvas"


def _is_plain_name(name: str) -> bool:
    """One path component, the same on every system: no separators, drives, dots alone or control characters."""
    return bool(name) and name.strip(". ") != "" and not any(sign in '/\\:\0' or ord(sign) < 32 for sign in name)


def find_run(name: str, root: Path | None = None) -> Path | None:
    """The run's folder; None when there is none of that name under the root, links followed."""
    root = root or runs_root()
    folder = root / name if _is_plain_name(name) else None
    # Unlike its twin of Path, isdir() answers no for names that no file system takes.
    return folder if folder and os.path.isdir(folder) and leads_inside(folder, root) else None


def find_picture(folder: Path, relative: str) -> Path | None:
    """A picture of the run: loss.png, or one in samples/; None for everything else."""
    where, _, name = relative.rpartition("/")
    allowed = where in PICTURE_FOLDERS or (where == "" and name == PLOT_NAME)
    if not allowed or not _is_plain_name(name) or Path(name).suffix.lower() not in PICTURE_SUFFIXES:
        return None
    path = folder / where / name
    return path if os.path.isfile(path) and leads_inside(path, folder) else None


def list_runs(root: Path | None = None) -> list[Path]:
    """Every run's folder, in no particular order."""
    root = root or runs_root()
    if not root.is_dir():
        return []
    return [folder for folder in root.iterdir() if folder.is_dir() and leads_inside(folder, root)]


LATEST = "latest"


@contextmanager
def run_folder(run: RunSpec, waiting: Path | None = None) -> Iterator[tuple[Path, Path | None]]:
    """The folder that the run is ordered into, this process's alone while the block runs, and the state to go on from, if any.
    `waiting` is that of a run that goes on by itself.

    Raises SettingsError or StateError for a run that cannot go on, or that another process trains.
    """
    if run.resumes not in (AUTO, NEW):
        with held(folder_to_resume(run.resume)) as folder:
            yield folder, asked_state(folder, run.resume)
    elif waiting is not None:
        with held(waiting) as folder:
            yield folder, state_file(folder)
    else:
        with new_folder(runs_root(), run.run_name, _is_a_lora) as folder:
            yield folder, None


def _is_a_lora(name: str) -> bool:
    """Whether a LoRA is called so: Save LoRA gives the file the run's name, and overwrites none."""
    return any((Path(folder) / f"{name}.safetensors").is_file() for folder in folder_paths.get_folder_paths("loras"))


def folder_to_resume(resume: str) -> Path:
    """The folder of the run that `resume` names: 'latest', a run's name, or its folder's path below the runs; LAST_GOOD may follow."""
    wanted = resume.strip().removesuffix(LAST_GOOD)
    resumable = [folder for folder in list_runs() if state_file(folder).is_file()]
    if not resumable:
        raise SettingsError("Train LoRA", [
            f"resume is '{wanted}', but no run in output/{runs_root().name} has a state to go on from. 'new' starts a new run."
        ])
    if wanted.lower() == LATEST:
        return max(resumable, key=lambda folder: state_file(folder).stat().st_mtime)
    folder = find_run(Path(wanted).name)
    if folder is None:
        names = sorted(folder.name for folder in resumable)
        raise SettingsError("Train LoRA", [f"resume is '{wanted}', but there is no such run. {near_names(wanted, names)}"])
    if not state_file(folder).is_file():
        raise StateError(f"the run '{folder.name}' has no state to go on from. Set resume on Train LoRA to 'new' to start a new run.")
    return folder


def asked_state(folder: Path, resume: str) -> Path:
    """Where the state lies that `resume` asks for. Raises StateError where LAST_GOOD follows, and none was kept."""
    path = state_file(folder)
    if not resume.strip().endswith(LAST_GOOD):
        return path
    kept = last_good_file(path)
    if not kept.is_file():
        raise StateError(f"the run '{folder.name}' has not gone bad: no earlier state was kept. Write '{folder.name}' into resume.")
    return kept
