"""The hashes by which A1111, Forge, Civitai and LoRA managers know a LoRA file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from safetensors.torch import save

_HEADER_LENGTH_BYTES = 8


def with_hashes(tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> dict[str, str]:
    """`metadata` with sshs_model_hash and sshs_legacy_hash, computed as kohya's scripts and A1111 do: over the file
    that holds the ss_* entries alone."""
    ss_only = {key: value for key, value in metadata.items() if key.startswith("ss_")}
    content = save(dict(tensors), ss_only)
    return {**metadata, "sshs_model_hash": model_hash(content), "sshs_legacy_hash": legacy_hash(content)}


def model_hash(content: bytes) -> str:
    """sha256 of everything behind the header: the tensors alone, whatever the metadata says."""
    header = int.from_bytes(content[:_HEADER_LENGTH_BYTES], "little")
    return hashlib.sha256(memoryview(content)[_HEADER_LENGTH_BYTES + header :]).hexdigest()


def legacy_hash(content: bytes) -> str:
    """The first 8 hex digits of sha256 over 64 KiB at 1 MiB: A1111's first hash."""
    return hashlib.sha256(content[0x100000 : 0x100000 + 0x10000]).hexdigest()[:8]
