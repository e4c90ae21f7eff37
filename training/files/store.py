"""Tensors on disk by the hash of all that shaped them; shared between runs and processes.

An entry is one safetensors file, written under a temporary name and renamed, so a reader never sees half of one.
An entry that cannot be read counts as missing: it is made again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import uuid
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import FileError

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)
GIGABYTE = 1 << 30


def content_key(*parts: Any) -> str:
    """64 hex digits for JSON-ready values: equal only for equal values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


class TensorStore:
    """Named tensors by key below `folder`. `size_limit` is in bytes; 0 means no limit."""

    def __init__(self, folder: Path, size_limit: int = 0):
        self.folder = folder
        self.size_limit = size_limit

    def path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.safetensors"

    def has(self, key: str) -> bool:
        return self.path(key).is_file()

    def get(self, key: str) -> "dict[str, torch.Tensor] | None":
        """The entry, or None where it is missing or damaged. Reading marks it as used."""
        from safetensors import SafetensorError
        from safetensors.torch import load

        path = self.path(key)
        try:
            # Read whole rather than mapped: a mapped file cannot be replaced or removed on Windows.
            tensors = load(path.read_bytes())
            os.utime(path)
        except FileNotFoundError:
            return None
        except (OSError, SafetensorError, ValueError, KeyError) as error:
            log.warning("the cache entry %s cannot be read (%s) and is made again", path.name, error)
            return None
        return tensors

    def put(self, key: str, tensors: "Mapping[str, torch.Tensor]") -> None:
        """Write an entry. Raises FileError when the disk refuses it."""
        from safetensors.torch import save_file

        path = self.path(key)
        temporary = path.with_name(f".{key[:16]}.{uuid.uuid4().hex}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary)
            os.replace(temporary, path)
        except Exception as error:
            with suppress(OSError):
                temporary.unlink()
            if isinstance(error, PermissionError) and path.is_file():
                return  # Windows: another run has the same entry open, and it has the same content
            if not isinstance(error, OSError) and "os error" not in str(error).lower():
                raise
            raise FileError(
                f"the cache entry {path.name} could not be written ({error}). Free some disk space, or switch "
                "'cache_to_disk' off on the Train LoRA node."
            ) from error

    def trim(self, keep: Collection[str] = ()) -> int:
        """Remove the entries unused for longest until the folder fits its limit; returns the bytes freed.

        `keep` holds the keys of the run at hand: they stay even beyond the limit.
        """
        if not self.size_limit:
            return 0
        entries = []
        for path in self.folder.glob("*/*.safetensors"):
            try:
                stat = path.stat()
            except OSError:
                continue  # another run removed it
            entries.append((stat.st_mtime_ns, stat.st_size, path))
        total, freed = sum(size for _, size, _ in entries), 0
        kept = set(keep)
        for _, size, path in sorted(entries):
            if total - freed <= self.size_limit:
                break
            if path.stem not in kept:
                try:
                    path.unlink()
                except OSError:
                    continue  # in use by another run on Windows
                freed += size
        return freed
