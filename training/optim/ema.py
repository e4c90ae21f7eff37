"""A running average of the trained weights: average = decay * average + (1 - decay) * weights, after every update.

While few updates were made the decay is lower, min(decay, (1 + n) / (10 + n)), so that the start is soon forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from ..errors import StateError

_UPDATES = "updates"


class EMA:
    """The average of `named_parameters`, in fp32. `decay` is in (0, 1): 0.999 averages about the last 1000 updates."""

    def __init__(self, named_parameters: Sequence[tuple[str, Tensor]], decay: float):
        self.decay = decay
        self.updates = 0
        self._parameters = dict(named_parameters)
        self._average = {name: p.detach().to(torch.float32, copy=True) for name, p in self._parameters.items()}

    @property
    def averages(self) -> list[Tensor]:
        return list(self._average.values())

    def decay_at(self, updates: int) -> float:
        """The decay of the update after `updates` of them."""
        return min(self.decay, (1 + updates) / (10 + updates))

    @torch.no_grad()
    def update(self) -> None:
        """Take in the parameters as they are now."""
        weights = [parameter.detach().float() for parameter in self._parameters.values()]
        torch._foreach_lerp_(list(self._average.values()), weights, 1 - self.decay_at(self.updates))  # pyright: ignore[reportPrivateImportUsage]
        self.updates += 1

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The parameters hold the average while this is open; afterwards they are what they were, bit by bit."""
        # In main memory: a card that is full must not keep a run from being saved.
        kept = {name: parameter.detach().to("cpu", copy=True) for name, parameter in self._parameters.items()}
        self._fill(self._average)
        try:
            yield
        finally:
            self._fill(kept)

    def state_dict(self) -> dict[str, Tensor]:
        """Tensors only: the averages by name, and the number of updates."""
        return {**self._average, _UPDATES: torch.tensor(self.updates, dtype=torch.int64)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Raises StateError when the names or shapes are not those of the parameters."""
        expected = {name: tuple(average.shape) for name, average in self._average.items()}
        found = {name: tuple(tensor.shape) for name, tensor in state.items() if name != _UPDATES}
        if expected != found or _UPDATES not in state:
            raise StateError("the saved average (EMA) does not belong to this network. Start a new run, or put the network back.")
        with torch.no_grad():
            for name, average in self._average.items():
                average.copy_(state[name])
        self.updates = int(state[_UPDATES])

    @torch.no_grad()
    def _fill(self, tensors: Mapping[str, Tensor]) -> None:
        torch._foreach_copy_(list(self._parameters.values()), [tensors[name] for name in self._parameters])  # pyright: ignore[reportPrivateImportUsage]
