"""A LoRA that a node was given: a file by its name, or a LORA_MODEL by wire."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import comfy.utils
import folder_paths
import torch
from torch import Tensor

from ...training.errors import SettingsError
from .sound import as_data, require_sound

NO_FILE = "none"


@dataclass(frozen=True)
class Given:
    """`digest` stands for the content of `tensors`."""

    name: str
    digest: str
    tensors: dict[str, Tensor]


def lora_names() -> list[str]:
    """Every LoRA file that ComfyUI knows, behind the choice of none."""
    return [NO_FILE, *folder_paths.get_filename_list("loras")]


def file_stamp(name: str) -> str:
    """Changes when the file does."""
    path = folder_paths.get_full_path("loras", name)
    return f"{name}/{Path(path).stat().st_mtime_ns}/{Path(path).stat().st_size}" if path else name


def given(where: str, name: str, lora: Mapping[str, Tensor] | None) -> Given:
    """The file called `name`; with NO_FILE, what the wire holds. Raises SettingsError, of the node `where`, for a LoRA that is
    damaged or something else."""
    told = "the connected LoRA" if name == NO_FILE else name
    with as_data(where, told):
        tensors = lora if name == NO_FILE else _read(where, name)
        assert tensors is not None, "the caller looks whether there is one"
        require_sound(where, told, tensors)
        return Given(told, _digest(tensors), dict(tensors))


def _read(where: str, name: str) -> dict[str, Tensor]:
    path = folder_paths.get_full_path("loras", name)
    if path is None:
        raise SettingsError(where, [f"there is no LoRA called '{name}' any more. Choose another file."])
    return comfy.utils.load_torch_file(path, safe_load=True)


def _digest(lora: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(lora):
        digest.update(name.encode())
        digest.update(lora[name].detach().to("cpu").contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]
