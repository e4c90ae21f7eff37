"""Blocks that are alike are gone through until two in a row were found to take the same; what each further one takes is known then.
SDXL's 70 transformer blocks are of two kinds, and so are FLUX' 57; on fake tensors every operation costs time, whatever its size.

A block that is counted instead gives tensors of the same shapes, keeps as many bytes until its backward, holds on to the same inputs, and
gives gradients of the same inputs and parameters. Where norms and activation functions are computed twice, that is not so of a block
which is given, or gives, what such a function made: what is kept of that lies in another block.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch._C._autograd import _get_sequence_nr
from torch.autograd.graph import get_gradient_edge
from torch.utils._pytree import tree_leaves, tree_map

from ...network.in_place import lazy_clone
from ...network.kinds.adapter import Adapter, Change
from ..cheaply import is_made_again
from .ledger import Ledger, Stretch

_PLAIN = (bool, int, float, str, torch.dtype, torch.device, type(None))


@dataclass(frozen=True)
class Seen:
    """What one pass through a block was found to do. `peak` and `kept` are bytes above what was alive before it, at most and afterwards,
    without what it gave on; `held` the places of inputs that it keeps. `given` says of every tensor that it gave: a place among its
    inputs, and whether that was written to, or shape, strides, dtype, device and whether it has a gradient. `reached` are the places of
    inputs whose gradient it gives, `learned` its parameters of which it gives one, and whether of their copies."""

    peak: int
    kept: int
    flops: int
    held: Sequence[int]
    given: Sequence[tuple]
    reached: Sequence[int]
    learned: Sequence[tuple[int, bool]]
    shape: Any = field(compare=False)
    number: int = field(compare=False)


class Alike:
    """`units` are a model's blocks by name, `changes` the adapters in each by their path in it."""

    def __init__(self, ledger: Ledger, units: Mapping[str, nn.Module], changes: Mapping[str, Mapping[str, Change]]):
        self._ledger = ledger
        self._looks = {name: _looks(unit, changes[name]) for name, unit in units.items()}
        self._weights = {name: [(change, own) for change in changes[name].values() for own in change.parameters()] for name in units}
        self._seen: dict[Hashable, Seen | None] = {}
        self._sure: dict[Hashable, Seen] = {}
        self._repeats: dict[int, int] = {}

    def passed(self, number: int, name: str, forward: Callable, args: tuple, kwargs: dict[str, Any], leave: Callable[[], None]) -> Any:
        """What the block's `forward` gives, or what stands for it. `leave` is called in its backward when its own is over."""
        inputs: list[Tensor] = []
        said = _said((args, tuple(sorted(kwargs.items()))), inputs)
        if self._looks[name] is None or said is None or any(map(is_made_again, inputs)):
            return forward(*args, **kwargs)
        kind = (self._looks[name], said)
        sure = self._sure.get(kind)
        if sure is not None and not any(given[1] and inputs[given[0]]._is_view() for given in sure.given if len(given) == 2):
            self._repeats[number] = sure.number
            return self._counted(sure, inputs, self._weights[name])
        found, seen = self._looked_at(number, forward, args, kwargs, inputs, self._weights[name], leave)
        if seen is not None and seen == self._seen.get(kind):
            self._sure[kind] = seen
        self._seen[kind] = seen
        return found

    def settle(self, stretches: Sequence[Stretch], backward: str) -> None:
        """After the step: the backward of what was only counted took as much as that of what it repeats."""
        first: dict[str, Stretch] = {}
        for stretch in stretches:
            begun = first.setdefault(stretch.name, stretch)
            begun.peak = max(begun.peak, stretch.peak) if stretch.name.startswith(backward) else begun.peak
        for number, repeated in self._repeats.items():
            own, other = first.get(f"{backward} {number}"), first.get(f"{backward} {repeated}")
            if own is not None and other is not None:
                own.peak = max(own.peak, own.start + other.peak - other.start)

    def _looked_at(
        self, number: int, forward: Callable, args: tuple, kwargs: dict, inputs: list[Tensor], weights: list, leave: Callable[[], None]
    ) -> tuple[Any, Seen | None]:
        ledger, now = self._ledger, self._ledger.now
        before = [(tensor._version, memory := ledger.memory(tensor), memory.holders if memory else 0) for tensor in inputs]
        edges = _edges(inputs, weights)
        for tensor in inputs:
            if tensor.requires_grad:
                tensor.register_hook(lambda _: leave())
        begun, stretch = _get_sequence_nr(), ledger.stretches[-1]
        found = forward(*args, **kwargs)
        given = _given(found, inputs, [version for version, *_ in before])
        reached = _reached(found, edges, begun)
        if given is None or reached is None or any(map(is_made_again, _tensors(found))):
            return found, None
        held = [place for place, (tensor, (_, memory, holders)) in enumerate(zip(inputs, before, strict=True))
                if memory is not None and memory.holders > holders - (ledger.memory(tensor) is not memory)]
        old = {id(memory) for _, memory, _ in before}
        new = {id(memory): memory.counted for memory in map(ledger.memory, _tensors(found)) if memory is not None and id(memory) not in old}
        return found, Seen(
            peak=stretch.peak - now, kept=ledger.now - now - sum(new.values()), flops=stretch.flops, held=held, given=given,
            reached=sorted(place for place in reached if isinstance(place, int)),
            learned=sorted(place for place in reached if isinstance(place, tuple)),
            shape=tree_map(lambda leaf: _Gap() if isinstance(leaf, Tensor) else leaf, found), number=number,
        )

    def _counted(self, seen: Seen, inputs: list[Tensor], weights: list[tuple[Change, nn.Parameter]]) -> Any:
        stretch = self._ledger.stretches[-1]
        learned = [_copy(*weights[place]) if is_copy else weights[place][1] for place, is_copy in seen.learned]
        made = iter(_Counted.apply(seen, len(inputs), self._ledger.device, *inputs, *learned))
        stretch.peak, stretch.flops = max(stretch.peak, stretch.start + seen.peak), seen.flops
        leaves = iter([inputs[given[0]] if given[1:] == (False,) else next(made) for given in seen.given])
        return tree_map(lambda leaf: next(leaves) if isinstance(leaf, _Gap) else leaf, seen.shape)


class _Gap:
    """Where a tensor was."""


class _Counted(torch.autograd.Function):
    @staticmethod
    def forward(ctx, seen: Seen, count: int, device: torch.device, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        ctx.kept = [lazy_clone(tensors[place]) for place in seen.held] + [torch.empty(seen.kept, dtype=torch.uint8, device=device)]
        ctx.like = [(tensor.shape, tensor.dtype, tensor.device) for tensor in tensors]
        ctx.reached = {*seen.reached, *range(count, len(tensors))}
        made = [_made(given, tensors) for given in seen.given if given[1:] != (False,)]
        ctx.mark_dirty(*(tensors[given[0]].zero_() for given in seen.given if given[1:] == (True,)))
        ctx.mark_non_differentiable(*(one for one, given in zip(made, (g for g in seen.given if g[1:] != (False,)), strict=True)
                                      if len(given) > 2 and not given[-1]))
        return tuple(made)

    @staticmethod
    def backward(ctx, *grads):
        ctx.kept = None
        return None, None, None, *(
            torch.empty(shape, dtype=dtype, device=device) if needed and place in ctx.reached else None
            for place, ((shape, dtype, device), needed) in enumerate(zip(ctx.like, ctx.needs_input_grad[3:], strict=True)))


def _made(given: tuple, tensors: Sequence[Tensor]) -> Tensor:
    if len(given) == 2:
        return tensors[given[0]]
    shape, strides, dtype, device, _ = given
    return torch.empty_strided(shape, strides, dtype=dtype, device=device)


def _looks(unit: nn.Module, changes: Mapping[str, Change]) -> Hashable | None:
    """All that decides what is computed in a block, but for what it is given. None where that is drawn anew for each."""
    if any(isinstance(change, Adapter) and change.draws_its_size for change in changes.values()):
        return None
    modules = [(path, type(module), _settings(module)) for path, module in unit.named_modules()]
    tensors = [(path, own.shape, own.stride(), own.dtype, own.device) for path, own in (*unit.named_parameters(), *unit.named_buffers())]
    learned = [(path, type(change), _settings(change), repr(getattr(change, "op", None)), repr(getattr(change, "options", None)),
                [(name, own.shape, own.requires_grad) for name, own in (*change.named_parameters(), *change.named_buffers())])
               for path, change in changes.items()]
    return repr((modules, tensors, learned))


def _settings(module: nn.Module) -> list[tuple[str, Any]]:
    """What it was made with; of lists and tables, such as hooks, how long they are."""
    return [(name, value if isinstance(value, _PLAIN) else len(value)) for name, value in sorted(vars(module).items())
            if name != "_seed" and isinstance(value, (*_PLAIN, list, tuple, dict))]


def _said(value: Any, tensors: list[Tensor], depth: int = 0) -> Hashable | None:
    """What tells one call from another by its arguments, whose tensors are put into `tensors`. In a table, numbers only say where a block
    stands, and a function that stands alone acts in every one. None where more of them stand in tables of their own: those name blocks."""
    if isinstance(value, Tensor):
        same = next((place for place, one in enumerate(tensors) if one is value), None)
        tensors.append(value)
        return "tensor", value.shape, value.stride(), value.dtype, str(value.device), value.requires_grad, same
    if isinstance(value, Mapping):
        value = sorted(value.items(), key=lambda item: repr(item[0]))
        return _all((repr(key), _said(one, tensors, depth + 1)) for key, one in value)
    if isinstance(value, (list, tuple)):
        return _all((type(value).__name__, _said(one, tensors, depth + (depth > 0))) for one in value)
    if callable(value):
        return ("function", id(value)) if depth < 2 else None
    return ("plain", value) if isinstance(value, _PLAIN) and not depth else ("other", type(value).__name__)


def _all(pairs: Iterator[tuple[str, Hashable | None]]) -> Hashable | None:
    found = tuple(pairs)
    return None if any(said is None for _, said in found) else found


def _given(found: Any, inputs: Sequence[Tensor], versions: Sequence[int]) -> list[tuple] | None:
    """`Seen.given`; None where it cannot be said so: views of inputs or of one another, inputs written to and not given."""
    places = {id(tensor): place for place, tensor in enumerate(inputs)}
    written = {place for place, (tensor, version) in enumerate(zip(inputs, versions, strict=True)) if tensor._version != version}
    storages = {tensor.untyped_storage()._cdata for tensor in inputs}
    given: list[tuple] = []
    for tensor in _tensors(found):
        place, storage = places.get(id(tensor)), tensor.untyped_storage()
        if place is not None:
            given.append((place, place in written))
            written.discard(place)
        elif storage._cdata in storages or storage.nbytes() != tensor.nbytes:
            return None
        else:
            storages.add(storage._cdata)
            given.append((tensor.shape, tensor.stride(), tensor.dtype, tensor.device, tensor.requires_grad))
    return None if written else given


def _edges(inputs: Sequence[Tensor], weights: Sequence[tuple[Change, nn.Parameter]]) -> dict[tuple, int | tuple[int, bool]]:
    """Where gradients leave a block -> which input, or which parameter and whether by its copy."""
    found: dict[tuple, int | tuple[int, bool]] = {}
    for place, (change, own) in enumerate(weights):
        for tensor, is_copy in ((own, False), (_copy(change, own), True)):
            if tensor is not None and tensor.requires_grad:
                found[tuple(get_gradient_edge(tensor))[:2]] = (place, is_copy)
    return found | {tuple(get_gradient_edge(tensor))[:2]: place for place, tensor in enumerate(inputs) if tensor.requires_grad}


def _reached(found: Any, edges: Mapping[tuple, Any], begun: int) -> set | None:
    """Those of `edges` that lead out of what was computed since `begun`; None where others do too."""
    open_, done, reached = [get_gradient_edge(tensor).node for tensor in _tensors(found) if tensor.requires_grad], set(), set()
    while open_:
        node = open_.pop()
        if node in done or node._sequence_nr() < begun:
            continue
        done.add(node)
        for edge in node.next_functions:
            if edge in edges:
                reached.add(edges[edge])
            elif edge[0] is not None and (hasattr(edge[0], "variable") or edge[0]._sequence_nr() < begun):
                return None
            elif edge[0] is not None:
                open_.append(edge[0])
    return reached


def _copy(change: Change, own: nn.Parameter) -> Any:
    return getattr(change.copies, "made_of", lambda _: None)(own)


def _tensors(value: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]
