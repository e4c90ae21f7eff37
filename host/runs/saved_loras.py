"""Which LoRA files a run has left: those in its folder, and those that Save LoRA made of it in models/loras."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import folder_paths

from ...training.errors import FileError
from ...training.files.strangers import leads_inside
from ...training.lora_file.file import read_metadata
from ...training.record.run_json import read_run

SUFFIX = ".safetensors"
_SESSION = "ss_session_id"
_SLACK = 60.0  # seconds that the clocks of two disks may lie apart


def find_lora(folder: Path, relative: str) -> Path | None:
    """A LoRA of the run by its path below the folder: its own one, or one in checkpoints/; None for everything else."""
    where, _, name = relative.rpartition("/")
    if where not in ("", "checkpoints") or "\\" in name or "\0" in name or not name.endswith(SUFFIX) or name.startswith("."):
        return None
    path = folder / where / name
    return path if os.path.isfile(path) and leads_inside(path, folder) else None


def saved_loras(folder: Path) -> list[Path]:
    """The files in models/loras that were saved of this run: of the same session, by name and seed, and no older than the run. One that
    was saved with the privacy 'minimum' says no session, and is not among them."""
    own = _session(folder / f"{folder.name}{SUFFIX}")
    created = (read_run(folder) or {}).get("created")
    if own is None or created is None:
        return []
    return sorted(path for path in _files() if path.stat().st_mtime >= created - _SLACK and _session(path) == own)


def _files() -> Iterator[Path]:
    root = folder_paths.get_folder_paths("loras")[0]
    for where, _, names in os.walk(root):
        yield from (Path(where) / name for name in names if name.endswith(SUFFIX) and not name.startswith("."))


def _session(path: Path) -> str | None:
    try:
        return read_metadata(path).get(_SESSION)
    except FileError:
        return None
