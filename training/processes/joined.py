"""One of several processes, as a launcher (torchrun, accelerate launch) has started them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as torch_processes
from torch import Tensor

from ..errors import ProcessesError
from .board import START, Board
from .processes import ALONE, Processes

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store

_LAUNCHED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
ON_ONE_MACHINE, ACROSS = timedelta(seconds=20), timedelta(seconds=60)
"""What a sum may take once all are ready for it, before one of them counts as gone in the middle of it."""
_TO_SAVE = 20.0
"""Seconds that a process which fails leaves the main one: launchers kill all when one ends."""


class Joined(Processes):
    """One of several. Everything raises ProcessesError when another one has ended."""

    def __init__(self, rank: int, size: int, board: Board):
        self.rank, self.size, self._board = rank, size, board
        self._is_bound = False
        self._known = [0] * size

    @property
    def saves(self) -> bool:
        return all(self._board.has_died(rank) for rank in range(self.rank))

    @property
    def is_bound(self) -> bool:
        return self._is_bound

    def gathered(self, what: str, note: Any, check: Callable[[], None] = lambda: None) -> list[Any]:
        notes = self._board.gathered(what, note, check)
        self._is_bound = False
        return notes

    def are_ready(self, is_ready: bool, check: Callable[[], None] = lambda: None) -> bool:
        if torch.cuda.is_available():  # a sum on cards begins when the card has done what came before
            torch.cuda.synchronize()
        return all(self.gathered("the gradients", is_ready, check))

    def reduce(self, tensor: Tensor) -> None:
        held = tensor if tensor.device.type in _devices() else tensor.cpu()
        self._is_bound = True
        with _together():
            torch_processes.all_reduce(held)
        if held is not tensor:
            tensor.copy_(held)

    def say(self, words: Any) -> None:
        self._board.say(words)

    def heard(self) -> list[tuple[int, Any]]:
        found = []
        for rank in range(self.size):
            if rank != self.rank:
                self._known[rank], said = self._board.heard(rank, self._known[rank])
                found += [(rank, words) for words in said]
        return found

    def leave(self, word: str, is_failure: bool = False) -> None:
        self._board.leave(word)
        if is_failure and not self.is_main:
            self._board.wait_until_left(0, _TO_SAVE)


def are_launched(environment: Mapping[str, str]) -> bool:
    """Whether a launcher started this process as one of several."""
    return all(environment.get(name) for name in _LAUNCHED) and int(environment["WORLD_SIZE"]) > 1


@cache
def joined() -> Processes:
    """The processes that were launched with this one; ALONE where none were. The first call waits for all of them."""
    if not are_launched(os.environ):
        return ALONE
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    board = Board(partial(_store, rank, is_host=rank == 0 and not _launcher_has_one()), rank, size)
    board.gathered("the start", None, patience=START)
    os.environ.setdefault("TORCH_NCCL_BLOCKING_WAIT", "1")  # an error, where torch's watchdog would end the process unsaved
    limit = ON_ONE_MACHINE if os.environ.get("LOCAL_WORLD_SIZE") == str(size) else ACROSS
    with _together():
        torch_processes.init_process_group(
            ",".join(f"{device}:{backend}" for device, backend in _devices().items()), timeout=limit,
            store=_store(rank, is_host=False, kind="sums"), rank=rank, world_size=size,
        )
    return Joined(rank, size, board)


def _launcher_has_one() -> bool:
    """Whether the store is kept by the launcher, not by the main process."""
    return os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"


def _store(rank: int, is_host: bool, kind: str = "board") -> Store:
    """A connection of its own to the store of this job; a start after a failure finds nothing that was written before."""
    from torch.distributed import PrefixStore, TCPStore  # pyright: ignore[reportPrivateImportUsage]  not every torch has them

    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    store = TCPStore(address, port, None, is_host, timedelta(seconds=START), wait_for_workers=False)
    return PrefixStore(f"LoRA Canvas {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')} {kind}", store)


@cache
def _devices() -> Mapping[str, str]:
    """Kind of device -> what sums on it."""
    has_cards = torch.cuda.is_available() and torch_processes.is_nccl_available()
    return {"cpu": "gloo", **({"cuda": "nccl"} if has_cards else {})}


@contextmanager
def _together() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise ProcessesError(
            f"another process of this run has ended, or cannot be reached ({str(error).splitlines()[0]:.200}). Its own log says why. "
            "What was learned so far is saved; resume the run to go on."
        ) from error
