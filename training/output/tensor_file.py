"""safetensors files that are the same, byte for byte, for the same content.

The library writes its metadata in an order that changes from one process to the next.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file

from .atomic import replacing

_LENGTH_BYTES = 8


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> None:
    """Replace `path` as a whole; metadata in the order of its keys. Tensors must be contiguous, on the CPU."""
    with replacing(path) as temporary:
        save_file(dict(tensors), temporary, metadata=dict(metadata))
        _sort_metadata(temporary)


def _sort_metadata(path: Path) -> None:
    """Put the header's metadata in order, in place: the same characters in another order, so nothing moves."""
    with path.open("rb+") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        header = json.loads(file.read(length))
        header["__metadata__"] = dict(sorted(header.get("__metadata__", {}).items()))
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode().ljust(length)
        assert len(text) == length, "the header's own JSON and Python's differ in length"
        file.seek(_LENGTH_BYTES)
        file.write(text)
