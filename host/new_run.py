"""Where a run writes: a new folder of its own, or the folder of the run that is resumed."""

from __future__ import annotations

import re
from pathlib import Path

from ..training.errors import SettingsError, StateError
from ..training.registry import near_names
from ..training.run.state import FILE_NAME
from .run_folders import find_run, list_runs, runs_root

LATEST = "latest"


def new_run_folder(name: str) -> Path:
    """A folder that did not exist: output/lora_canvas/<name>, or with a counter. It is made here, so that no other
    run can take it."""
    stem = re.sub(r'[<>:"/\\|?*\x00-\x1f]', "_", name).strip(" .") or "lora"
    root = runs_root()
    count = 1
    while True:
        folder = root / (stem if count == 1 else f"{stem}_{count}")
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            count += 1


def folder_to_resume(resume: str) -> Path:
    """The folder of the run that `resume` names: 'latest', a run's name, or its folder's path below the runs."""
    wanted = resume.strip()
    resumable = [folder for folder in list_runs() if state_file(folder).is_file()]
    if not resumable:
        raise SettingsError("Train LoRA", [f"resume is '{wanted}', but no run in {runs_root()} has a state to go on from. Empty 'resume' to start a new run."])
    if wanted.lower() == LATEST:
        return max(resumable, key=lambda folder: state_file(folder).stat().st_mtime)
    folder = find_run(Path(wanted).name)
    if folder is None:
        names = sorted(folder.name for folder in resumable)
        raise SettingsError("Train LoRA", [f"resume is '{wanted}', but there is no such run. {near_names(wanted, names)}"])
    if not state_file(folder).is_file():
        raise StateError(f"the run '{folder.name}' has no state to go on from. Empty 'resume' on the Train LoRA node to start a new run.")
    return folder


def state_file(folder: Path) -> Path:
    return folder / "state" / FILE_NAME
