"""Whether a run's folder takes what the run will write: asked before any work, so that nothing is learned in vain."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ..errors import SettingsError
from ..files.atomic import temporary_of, write_bytes
from ..files.lengths import Lengths, lengths_at, too_long
from ..record.records import THUMBNAILS_FOLDER, sample_file, thumbnail_file
from .checkpoints import CHECKPOINTS_FOLDER, checkpoint_file
from .state import state_file

_MOST_STEPS = 10_000_000
_LAST_PROCESS = 4_194_304


def require_place(folder: Path) -> None:
    """Raises SettingsError when the names of the run's files would be too long, DiskError when nothing can be written there."""
    require_short(folder, lengths_at(folder))
    for place in (folder, folder / CHECKPOINTS_FOLDER, state_file(folder).parent):
        if place.is_dir():
            _try_out(place)


def require_short(folder: Path, lengths: Lengths) -> None:
    """Raises SettingsError when a file of the run in `folder` would have too long a name or path."""
    thumbnail = folder / THUMBNAILS_FOLDER / thumbnail_file(sample_file(_MOST_STEPS, 99))
    longest = (checkpoint_file(folder, _MOST_STEPS), state_file(folder), thumbnail)
    found = too_long([temporary_of(path, _LAST_PROCESS) for path in longest], lengths)
    if found is None:
        return
    elsewhere = ", or start ComfyUI with a shorter --output-directory" if found.is_path else ""
    long_paths = ", or switch long paths on in Windows" if found.is_path and lengths.windows else ""
    raise SettingsError("Train LoRA", [
        f"run_name is too long: {found.told}. Make run_name shorter by {found.over} {lengths.unit} or more{elsewhere}{long_paths}."
    ])


def _try_out(folder: Path) -> None:
    trial = folder / ".trial"
    try:
        write_bytes(trial, b"LoRA Canvas")
    finally:
        with suppress(OSError):
            trial.unlink()
