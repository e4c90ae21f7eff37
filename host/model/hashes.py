"""The hashes of model files, by which Civitai and A1111 know them. Gigabytes are read once; what was found is kept."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path

from ...training.errors import DiskError
from ...training.files.atomic import write_text
from ...training.lora_file.hashes import LEGACY_LENGTH, LEGACY_START
from ..runs.paths import private_folder

BLOCK = 1 << 20


def legacy_hash(path: Path) -> str:
    """A1111's first model hash, which kohya writes as ss_sd_model_hash: sha256 of 64 KiB at 1 MiB, 8 hex digits."""
    with path.open("rb") as file:
        file.seek(LEGACY_START)
        return hashlib.sha256(file.read(LEGACY_LENGTH)).hexdigest()[:8]


def sha256_of(path: Path) -> str:
    """64 hex digits. Known again by the file's path, size and time of change."""
    state = path.stat()
    key = f"{path.resolve()} {state.st_size} {state.st_mtime_ns}"
    known = _known()
    if key not in known:
        known[key] = _read(path)
        with suppress(DiskError):  # it is reckoned again then
            write_text(_file(), json.dumps(known, indent=1))
    return known[key]


def _read(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _known() -> dict[str, str]:
    """What was found before; a file that cannot be read is as good as none."""
    try:
        found = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _file() -> Path:
    return private_folder() / "model_hashes.json"
