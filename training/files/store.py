"""Tensors on disk by the hash of all that shaped them; shared between runs and processes.

An entry is one safetensors file, written under a temporary name and renamed, so a reader never sees half of one.
An entry that cannot be read counts as missing: it is made again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DiskError
from ..events import Event, Message

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
        self._refused: dict[str, Mapping[str, torch.Tensor]] = {}
        self._refusal: DiskError | None = None
        self._has_grown = False

    def path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.safetensors"

    def has(self, key: str) -> bool:
        return key in self._refused or self.path(key).is_file()

    def get(self, key: str) -> "dict[str, torch.Tensor] | None":
        """The entry, or None where it is missing or damaged. Reading marks it as used."""
        from safetensors import SafetensorError
        from safetensors.torch import load

        if key in self._refused:
            return dict(self._refused[key])
        path = self.path(key)
        try:
            # Read whole rather than mapped: a mapped file cannot be replaced or removed on Windows.
            tensors = load(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, SafetensorError, ValueError, KeyError) as error:
            log.warning("the cache entry %s cannot be read (%s) and is made again", path.name, error)
            return None
        with suppress(OSError):  # a read-only disk
            os.utime(path)
        return tensors

    def put(self, key: str, tensors: "Mapping[str, torch.Tensor]") -> None:
        """Write an entry; one that the disk refuses is kept in memory, and `settle` says so."""
        from .tensors import write_tensors

        try:
            write_tensors(self.path(key), tensors, {}, precious=False)
            self._has_grown = True
        except DiskError as refusal:
            if self.path(key).is_file():
                return  # Windows: another run has the same entry open, and it has the same content
            self._refused[key] = {name: tensor.contiguous() for name, tensor in tensors.items()}
            self._refusal = self._refusal or refusal

    def settle(self, keep: Collection[str], emit: Callable[[Event], None]) -> None:
        """Once a run's entries, at `keep`, are there: old ones make room for new ones, and what the disk refused is said."""
        if self._has_grown:
            self.trim(keep)
            self._has_grown = False
        if self._refusal is not None:
            text = f"the cache on disk takes no more, so what is encoded stays in memory. {self._refusal}"
            emit(Message(level="warning", topic="cache", text=text))
            self._refusal = None

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
