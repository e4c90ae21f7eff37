"""The processes that train one LoRA together, each on its part of every batch: who this one is, and what they tell one another."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ..errors import ProcessesError
from ..wording import some

Thing = TypeVar("Thing")


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

    @property
    def saves(self) -> bool:
        """Whether this one keeps what all have learned, when they end before the end: the main one, or the first that has outlived it."""
        return self.is_main

    @property
    def is_bound(self) -> bool:
        """Whether what this one does with what was summed, all the others do: it cannot do it again by itself."""
        return False

    def gathered(self, what: str, note: Any, check: Callable[[], None] = lambda: None) -> list[Any]:
        """The notes (JSON-ready) of all processes about `what`, the main one's first; `check` may raise while the others are waited for.
        Raises ProcessesError where one has ended, or asks for something else."""
        return [note]

    def are_ready(self, is_ready: bool, check: Callable[[], None] = lambda: None) -> bool:
        """Whether all are, once all have said so: before every `reduce`, which then waits for nobody."""
        return is_ready

    def reduce(self, tensor: Tensor) -> None:
        """Make it the sum of all processes' tensors, which have one shape; when all are ready."""

    def told(self, what: str, thing: Any) -> Any:
        """What the main process has in the place of `thing` (JSON-ready)."""
        return self.gathered(what, thing)[0]

    def say(self, words: Any) -> None:
        """Something (JSON-ready) for the main one."""

    def heard(self) -> list[tuple[int, Any]]:
        """What others have said since, each with who said it."""
        return []

    def leave(self, word: str, is_failure: bool = False) -> None:
        """Tell the others how this one ends ('has failed: …'), so that none waits for it. A failure leaves the main one time to save."""


ALONE = Processes()


def shares(processes: Processes, batches: Iterable[Sequence[Thing]]) -> list[Sequence[Thing]]:
    """Of each micro-batch what this process looks at; none that is empty."""
    parts = [processes.part(batch) for batch in batches]
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
    main, *others = processes.gathered("what is trained", {name: _digest(value) for name, value in settings.items()})
    for rank, other in enumerate(others, start=1):
        if other != main:
            names = [name for name in {**main, **other} if main.get(name) != other.get(name)]
            raise ProcessesError(f"process {rank} of this run is not about to train what the main one is: {some(names)} differ. Give every "
                                 "machine the same files, and the same LoRA Canvas, ComfyUI and torch.")


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
