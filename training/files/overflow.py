"""What a run has encoded: in main memory while there is room, then in a folder that is gone with the run.

Ten thousand captions of FLUX are 40 GB, and nobody wants a run to end for that after an hour of encoding.
"""

from __future__ import annotations

import os
import shutil
import weakref
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from ..events import Event, Message
from .store import TensorStore

if TYPE_CHECKING:
    import torch

SHARE = 0.25
"""Of the main memory that is free when a run begins: the model's weights, moved off the card, want the rest."""


class Overflow:
    """Main memory of `room` bytes for all caches of a run together, and what lies below `folder` beyond that. Folders of processes that
    were killed are removed. `shared`: the name of a folder for several processes, which have all in it; the one that `removes` it made
    the name of its own number."""

    def __init__(self, folder: Path, room: int | None = None, *, shared: str = "", removes: bool = True):
        self._left = int(psutil.virtual_memory().available * SHARE) if room is None else room
        self._left = self._room = 0 if shared else self._left
        self._folder = folder / (shared or f"run-{os.getpid()}/{id(self)}")
        self._is_shared = self._said = bool(shared)
        if removes:
            _remove_leavings(folder)
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    def of(self, kind: str) -> "Kept":
        """The entries of one cache."""
        return Kept(self, TensorStore(self._folder / kind), spills=self._is_shared)

    def takes(self, size: int) -> bool:
        """Whether so many bytes still have room; they are taken then."""
        if size > self._left:
            return False
        self._left -= size
        return True

    def tell(self, emit: Callable[[Event], None]) -> None:
        """Once."""
        if not self._said:
            emit(Message(level="info", topic="cache", text=(
                f"what is encoded takes more than a quarter of the free main memory ({self._room / 2**30:.1f} GiB): the rest lies on disk "
                "until the run ends. cache_to_disk on Train LoRA keeps all of it there, for other runs too.")))
        self._said = True


class Kept:
    """Named tensors by key, as in a TensorStore, while their run lasts."""

    def __init__(self, overflow: Overflow, beyond: TensorStore, spills: bool = False):
        self._overflow = overflow
        self._held: dict[str, Mapping[str, torch.Tensor]] = {}
        self._beyond = beyond
        self._spills = spills

    def has(self, key: str) -> bool:
        return key in self._held or (self._spills and self._beyond.has(key))

    def get(self, key: str) -> "dict[str, torch.Tensor] | None":
        if key in self._held:
            return dict(self._held[key])
        return self._beyond.get(key) if self._spills else None

    def put(self, key: str, tensors: "Mapping[str, torch.Tensor]") -> None:
        if self._overflow.takes(sum(tensor.nbytes for tensor in tensors.values())):
            self._held[key] = tensors
        else:
            self._spills = True
            self._beyond.put(key, tensors)

    def settle(self, keep: Collection[str], emit: Callable[[Event], None]) -> None:
        """As of a TensorStore."""
        if self._spills:
            self._overflow.tell(emit)
            self._beyond.settle(keep, emit)


def _remove_leavings(folder: Path) -> None:
    for path in folder.glob("run-*"):
        process = path.name.removeprefix("run-")
        if process.isdecimal() and not psutil.pid_exists(int(process)):
            shutil.rmtree(path, ignore_errors=True)
