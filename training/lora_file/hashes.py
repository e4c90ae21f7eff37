"""The hashes by which A1111, Forge, Civitai and LoRA managers know a LoRA file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch

from ..files.tensors import pieces

LEGACY_START, LEGACY_LENGTH = 0x100000, 0x10000


def with_hashes(tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> dict[str, str]:
    """`metadata` with sshs_model_hash and sshs_legacy_hash, computed as kohya's scripts and A1111 do: over the file
    that holds the ss_* entries alone.

    The first is the sha256 of everything behind the header, the tensors alone; the second the first 8 hex digits of sha256 over
    64 KiB at 1 MiB of the whole file.
    """
    ss_only = {key: value for key, value in metadata.items() if key.startswith("ss_")}
    model, legacy, position = hashlib.sha256(), hashlib.sha256(), 0
    for number, piece in enumerate(pieces(tensors, ss_only)):
        if number:
            model.update(piece)
        start = max(0, LEGACY_START - position)
        legacy.update(piece[start : max(start, LEGACY_START + LEGACY_LENGTH - position)])
        position += len(piece)
    return {**metadata, "sshs_model_hash": model.hexdigest(), "sshs_legacy_hash": legacy.hexdigest()[:8]}
