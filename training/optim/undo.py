"""The step before an update, kept for as long as the update takes, so that one that was cut short can be undone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .ema import EMA
from .state import export_state, put_back


class BeforeUpdate:
    """Copies in main memory of the weights that `optimizer` trains, of what it keeps of them (`exported`, by `export_state`), and of
    their average. What is put back lies on the device."""

    def __init__(self, optimizer: torch.optim.Optimizer, ema: EMA | None, exported: tuple[dict[str, Tensor], dict[str, Any]]):
        self._optimizer, self._ema = optimizer, ema
        self._weights = in_main_memory(_weights(optimizer))
        tensors, self._facts = exported
        self._state = dict(zip(tensors, in_main_memory(list(tensors.values())), strict=True))
        averages = {} if ema is None else ema.state_dict()
        self._averages = dict(zip(averages, in_main_memory(list(averages.values())), strict=True))

    @torch.no_grad()
    def restore(self) -> None:
        """Everything is as it was, bit by bit."""
        for weight, kept in zip(_weights(self._optimizer), self._weights, strict=True):
            weight.copy_(kept)
        put_back(self._optimizer, self._state, self._facts)
        if self._ema is not None:
            self._ema.load_state_dict(self._averages)


def in_main_memory(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Copies; none of them shares memory with what it was made of."""
    return [tensor.detach().to("cpu", copy=True) for tensor in tensors]


def held_bytes(optimizer: torch.optim.Optimizer) -> int:
    """What the weights and what the optimizer keeps of them take."""
    return sum(tensor.nbytes for tensor in (*_weights(optimizer), *export_state(optimizer)[0].values()))


def _weights(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
