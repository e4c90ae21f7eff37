"""The LoRA file: safetensors with metadata, whole or not at all, never over a file that exists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from ..errors import FileError
from ..files.tensors import write_tensors
from ..optim.numerics import first_of, not_finite
from .hashes import with_hashes
from .peft import Rows


class TrainedLora(dict):
    """The tensors of a LoRA file by key, with the metadata that belongs to them: what a LORA_MODEL socket carries.

    `started_at` is the Unix time at which its run began; `rows` says which part of each module another program knows by
    which name (see `peft`); `model_files` are the files it was trained on, by the metadata entry of their hash.
    A plain dict to everybody else, so ComfyUI's own LoRA nodes take it.
    """

    def __init__(self, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]):
        super().__init__(tensors)
        self.metadata = dict(metadata)
        self.started_at: float | None = None
        self.rows: Mapping[str, Sequence[Rows]] = {}
        self.model_files: Mapping[str, Path] = {}


def write_lora(path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str], dtype: torch.dtype) -> None:
    """Save in `dtype` (alpha too, as kohya does), with kohya's hashes. Raises FileError for infinities and NaN, DiskError when the
    disk refuses."""
    cast = {name: tensor.detach().to("cpu", dtype).contiguous() for name, tensor in tensors.items()}
    if bad := not_finite(cast.items()):
        raise FileError(_why_not_finite(bad, tensors, dtype))
    write_tensors(path, cast, with_hashes(cast, metadata))


def _why_not_finite(bad: Sequence[str], tensors: Mapping[str, torch.Tensor], dtype: torch.dtype) -> str:
    if not_finite((name, tensors[name]) for name in bad):
        return (f"the LoRA holds infinities or NaN in {first_of(bad)}, so it was not saved: with it every picture is black. "
                "Take an earlier checkpoint, or train again with a lower learning rate.")
    return (f"the values of {first_of(bad)} are too large for {str(dtype).removeprefix('torch.')}, so the LoRA was not saved. "
            "Choose bf16 or fp32 as dtype.")


def read_lora(path: Path) -> dict[str, torch.Tensor]:
    """Raises FileError when there is no whole file."""
    with _readable(path):
        return load_file(path)


def read_metadata(path: Path) -> dict[str, str]:
    """Raises FileError when there is no whole file."""
    with _readable(path), safe_open(path, framework="pt") as file:
        return file.metadata() or {}


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise FileError(f"'{path.name}' cannot be read: {error}.") from error


def unused_path(folder: Path, stem: str, suffix: str = ".safetensors") -> Path:
    """folder/stem.safetensors, or with the first counter (stem_2, stem_3, ...) that no file has."""
    path = folder / f"{stem}{suffix}"
    count = 1
    while path.exists():
        count += 1
        path = folder / f"{stem}_{count}{suffix}"
    return path
