"""Where Save LoRA writes, and that what it wrote loads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import folder_paths

from ..training.errors import SettingsError
from ..training.output.lora_file import DTYPES, unused_path, write_lora
from ..training.output.metadata import dated


def save_lora(lora: Mapping, filename: str, dtype: str, extra_metadata: Mapping[str, str]) -> Path:
    """Write `lora` below models/loras under a name that no file has; the path. `filename` may hold subfolders."""
    target = _target(filename)
    metadata = {**getattr(lora, "metadata", {}), **dated(), **extra_metadata, "ss_output_name": target.stem}
    path = unused_path(target.parent, target.stem)
    write_lora(path, lora, metadata, DTYPES[dtype])
    return path


def _target(filename: str) -> Path:
    """Raises SettingsError for a name that is empty or points out of the loras folder."""
    root = Path(folder_paths.get_folder_paths("loras")[0]).resolve()
    name = filename.strip().removesuffix(".safetensors")
    target = (root / name).resolve()
    if not name or name.endswith(("/", "\\")) or not target.is_relative_to(root) or target == root:
        raise SettingsError("Save LoRA", [
            f"filename is '{filename}', but must name a file inside the loras folder, such as my_lora or characters/my_lora."
        ])
    return target
