"""The processes that train one LoRA together, each on its part of every batch: who this one is, and what they tell one another."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from itertools import count
from typing import Any, TypeVar

import torch
import torch.distributed as torch_processes
from torch import Tensor, nn

from ..errors import ProcessesError

Thing = TypeVar("Thing")
PATIENCE = timedelta(hours=6)
"""How long one waits for the others, who may be encoding, or drawing previews. One that dies is noticed at once."""
_LAUNCHED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


class Processes:
    """One process alone: it has every item, and nobody to talk to."""

    rank, size = 0, 1

    @property
    def is_main(self) -> bool:
        """Whether this is the one that writes, samples and shows."""
        return self.rank == 0

    def part(self, batch: Sequence[Thing]) -> Sequence[Thing]:
        """What of a batch is this process'. Parts differ by one item at most; of a short batch some may be empty."""
        return batch[self.rank :: self.size]

    def reduce(self, tensor: Tensor) -> None:
        """Make it the sum of all processes' tensors, which have one shape."""

    def most(self, number: int) -> int:
        """The largest of all processes' numbers."""
        return number

    def told(self, thing: Any) -> Any:
        """What the main process has in the place of `thing`."""
        return thing


class Joined(Processes):
    """One of several, in torch's default group. Everything raises ProcessesError when another one has ended."""

    def __init__(self) -> None:
        self.rank, self.size = torch_processes.get_rank(), torch_processes.get_world_size()

    def reduce(self, tensor: Tensor) -> None:
        with _together():
            torch_processes.all_reduce(tensor)

    def most(self, number: int) -> int:
        held = torch.tensor([number], dtype=torch.int64, device=_device())
        with _together():
            torch_processes.all_reduce(held, torch_processes.ReduceOp.MAX)
        return int(held)

    def told(self, thing: Any) -> Any:
        held = [thing]
        with _together():
            torch_processes.broadcast_object_list(held, device=_device())
        return held[0]


ALONE = Processes()


def are_launched(environment: Mapping[str, str]) -> bool:
    """Whether a launcher (torchrun, accelerate launch) started this process as one of several."""
    return all(environment.get(name) for name in _LAUNCHED) and int(environment["WORLD_SIZE"]) > 1


@cache
def joined() -> Processes:
    """The processes that were launched with this one; ALONE where none were. The first call waits for all of them."""
    if not are_launched(os.environ):
        return ALONE
    with _together():
        torch_processes.init_process_group("nccl" if torch.cuda.is_available() else "gloo", timeout=PATIENCE)
    return Joined()


def shares(processes: Processes, group: Iterable[Sequence[Thing]]) -> list[Sequence[tuple[int, Thing]]]:
    """Of each micro-batch what this process looks at, with its place in the whole update; none that is empty."""
    places = count()
    parts = [processes.part([(next(places), thing) for thing in batch]) for batch in group]
    return [part for part in parts if part]


def summed(processes: Processes, parameters: Sequence[nn.Parameter], rows: Tensor, places: Sequence[int], total: int) -> Tensor:
    """(k, total): the rows of all processes, where `rows` (k, len(places)) are this one's. Gradients become the sum of all processes',
    in one message; a parameter that nobody has a gradient for keeps none."""
    if processes.size == 1:
        return rows
    whole = rows.new_zeros(rows.shape[0], total)
    whole[:, list(places)] = rows
    has = torch.tensor([parameter.grad is not None for parameter in parameters])
    given = [torch.zeros_like(parameter) if parameter.grad is None else parameter.grad for parameter in parameters]
    message = torch.cat([piece.detach().to(rows).flatten() for piece in (whole, has, *given)])
    processes.reduce(message)
    sizes = [whole.numel(), len(parameters), *(parameter.numel() for parameter in parameters)]
    whole_now, has_now, *gradients = message.split(sizes)
    for parameter, gradient, anybody in zip(parameters, gradients, has_now.tolist(), strict=True):
        parameter.grad = gradient.view_as(parameter).to(parameter) if anybody else None
    return whole_now.view_as(whole)


def require_one_mind(processes: Processes, settings: Mapping[str, Any]) -> None:
    """Raises ProcessesError, in all of them, where they are not about to train the same: another data set, model, version or setting."""
    text = json.dumps(settings, sort_keys=True, default=str)
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")
    if processes.most(number) != -processes.most(-number):
        raise ProcessesError(
            "the processes of this run are not about to train the same: their pictures, models, settings or versions differ. Give every "
            "machine the same files, and the same LoRA Canvas, ComfyUI and torch."
        )


def _device() -> torch.device:
    return torch.device("cuda" if torch_processes.get_backend() == "nccl" else "cpu")


@contextmanager
def _together() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise ProcessesError(
            f"another process of this run has ended, or cannot be reached ({str(error).splitlines()[0]:.200}). Its own log says why. "
            "What was learned so far is saved; resume the run to go on."
        ) from error
