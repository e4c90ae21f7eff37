"""Where an optimizer's state lies between updates. The update is made where it always is and on the same numbers, so that the place
changes none of them.

A tensor that is moved stays the same object, only its data moves: whatever else holds it, holds it still.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from .lane import Copy, Lane

LEAST = 2**12
"""Bytes of a tensor that is worth the way."""
AT_ONCE = 2**26
"""Bytes of parameters whose state is on the device together, where each is updated by itself."""


class Resting:
    """State that lies in main memory between updates; `lane` leads there. Without one it lies where it is, on the device."""

    def __init__(self, lane: Lane | None = None, *, least: int | None = None, at_once: int | None = None):
        self._lane, self._least = lane, LEAST if least is None else least
        self._at_once = AT_ONCE if at_once is None else at_once
        self._beds: MutableMapping[Tensor, Tensor] = WeakTensorKeyDictionary()  # a tensor -> where its data rests
        self._leaving: list[tuple[Tensor, Copy]] = []

    def holds(self, tensor: Tensor) -> bool:
        """Whether it lies in main memory, and belongs on the device."""
        bed = self._beds.get(tensor)
        return bed is not None and tensor.data_ptr() == bed.data_ptr()

    def step(self, optimizer: torch.optim.Optimizer, *, each_by_itself: bool) -> None:
        """One update. `each_by_itself`: what the optimizer does to a parameter depends on no other one, so they are updated piece
        by piece, while the next one's state comes and the last one's leaves."""
        if self._lane is None:
            optimizer.step()
            return
        groups = optimizer.param_groups
        pieces = list(_pieces(groups, self._at_once)) if each_by_itself else [groups]
        coming = self._fetch(_state(optimizer, pieces[0] if pieces else []))
        try:
            for piece, following in zip(pieces, [*pieces[1:], []], strict=True):
                _arrive(coming)
                coming = self._fetch(_state(optimizer, following))
                optimizer.param_groups = list(piece)
                optimizer.step()
                self._let_go()
                self._lay_down(_state(optimizer, piece))
        finally:
            optimizer.param_groups = groups
            _arrive(coming)
        self._let_go()

    @contextmanager
    def awake(self, held: Iterable[Any]) -> Iterator[None]:
        """While open, the tensors in `held` are on the device."""
        _arrive(self._fetch(held))
        try:
            yield
        finally:
            self.lay_down(held)

    def lay_down(self, held: Iterable[Any]) -> None:
        """From now on the tensors in `held` lie in main memory, until they are wanted. A tensor that shares its memory stays."""
        self._lay_down(held)
        self._let_go()

    def wake(self, held: Iterable[Any]) -> None:
        """The tensors in `held` are on the device again."""
        _arrive(self._fetch(held))

    def finish(self) -> None:
        """Wait until what rests can be read by the host."""
        if self._lane is not None:
            self._lane.finish()

    def _fetch(self, held: Iterable[Any]) -> list[tuple[Tensor, Tensor, Copy]]:
        lane = self._lane
        if lane is None:
            return []
        resting = [tensor for tensor in _tensors(held) if self.holds(tensor)]
        near = [torch.empty_like(tensor, device=lane.device, pin_memory=False) for tensor in resting]
        return [(tensor, place, lane.copy(place, tensor.data)) for tensor, place in zip(resting, near, strict=True)]

    def _lay_down(self, held: Iterable[Any]) -> None:
        lane = self._lane
        if lane is None:
            return
        for tensor in _alone(_tensors(held)):
            if tensor.device == lane.device and tensor.nbytes >= self._least and not self.holds(tensor):
                near = tensor.data
                bed = self._beds.get(tensor)
                if bed is None:
                    self._beds[tensor] = bed = lane.far(near)
                self._leaving.append((near, lane.copy(bed, near)))
                tensor.data = bed

    def _let_go(self) -> None:
        """Of the places on the device that were left."""
        for _, copy in self._leaving:
            copy.wait()
        self._leaving.clear()


def _arrive(coming: Iterable[tuple[Tensor, Tensor, Copy]]) -> None:
    for tensor, place, copy in coming:
        copy.wait()
        tensor.data = place


def _pieces(groups: Sequence[dict[str, Any]], at_once: int) -> Iterator[list[dict[str, Any]]]:
    """Groups of fewer parameters, in order, of at most `at_once` bytes together or of one parameter."""
    piece: dict[int, list[Tensor]] = {}
    size = 0
    for index, group in enumerate(groups):
        for parameter in group["params"]:
            if piece and size + parameter.nbytes > at_once:
                yield [{**groups[i], "params": some} for i, some in piece.items()]
                piece, size = {}, 0
            piece.setdefault(index, []).append(parameter)
            size += parameter.nbytes
    if piece:
        yield [{**groups[i], "params": some} for i, some in piece.items()]


def _state(optimizer: torch.optim.Optimizer, groups: Iterable[Mapping[str, Any]]) -> list[Any]:
    """What is kept for each parameter that the next update changes."""
    parameters = [parameter for group in groups for parameter in group["params"] if parameter.grad is not None]
    return [optimizer.state[parameter] for parameter in parameters if parameter in optimizer.state]


def _tensors(held: Iterable[Any]) -> list[Tensor]:
    """All in there, each once."""
    found: dict[int, Tensor] = {}
    open_: deque[Any] = deque(held)
    while open_:
        value = open_.popleft()
        if isinstance(value, Mapping):
            open_.extend(value.values())
        elif isinstance(value, (list, tuple, deque)):
            open_.extend(value)
        elif type(value) is Tensor:
            found[id(value)] = value
    return list(found.values())


def _alone(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Those whose memory is theirs alone; a page of the driver's (bitsandbytes) moves by itself."""
    shares = Counter(tensor.untyped_storage()._cdata for tensor in tensors)
    return [
        tensor for tensor in tensors
        if shares[tensor.untyped_storage()._cdata] == 1 and tensor.untyped_storage().nbytes() == tensor.nbytes
        and not getattr(tensor, "is_paged", False)
    ]
