"""What an optimizer holds: between updates, and beside it while it makes one."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_leaves

from ...optim.kinds import BITSANDBYTES
from ...optim.spec import OptimizerSpec
from .ledger import Ledger

Shape = tuple[int, ...]
_RATE = 1e-4
_PAGED_FROM = 100_000
"""Numbers of a parameter whose state bitsandbytes lays in pages: those of smaller ones stay."""


@dataclass(frozen=True)
class OptimizerCost:
    """Bytes: its `state`, the most that an `update` takes beside it, and what of the state can lie in `pages`, where it does not yet."""

    state: int
    update: int
    pages: int = 0


def optimizer_cost(spec: OptimizerSpec, shapes: Sequence[Shape], device: torch.device) -> OptimizerCost:
    """Of the optimizer over fp32 parameters of these shapes on `device`. Two of each shape are updated, then three: what grows with their
    number does so evenly. They are fake, unless the optimizer reads their numbers or has kernels of its own: then real, on the CPU."""
    counts = Counter(shapes)
    try:
        with FakeTensorMode():
            two, three = (_updated(spec, list(counts) * times, device) for times in (2, 3))
    except Exception:  # noqa: BLE001 - optimizers are other people's, and say in many ways that fakes are not for them
        with _disable_current_modes():  # a rehearsal's own fakes too
            two, three = (_updated(spec, list(counts) * times, torch.device("cpu")) for times in (2, 3))
    state = sum(size * times for size, times in zip(two.own, counts.values(), strict=False)) + two.shared
    more = sum(map(math.prod, shapes)) / sum(map(math.prod, counts)) - 2
    pages = sum(size * times for size, times in zip(two.pages, counts.values(), strict=False)) if _has_pages(spec, device) else 0
    is_paged = spec.kind.class_name.startswith("Paged")
    return OptimizerCost(
        state - pages * is_paged, round(two.update + max(0, three.update - two.update) * more), 0 if is_paged else pages)


@dataclass(frozen=True)
class _Seen:
    """Of a few parameters: what is kept for each, and of that in tensors that can be paged; what is kept for all together; what an
    update takes beside it."""

    own: Sequence[int]
    pages: Sequence[int]
    shared: int
    update: int


def _updated(spec: OptimizerSpec, shapes: Sequence[Shape], device: torch.device) -> _Seen:
    """By two updates, of which the first makes the state."""
    parameters = [nn.Parameter(torch.zeros(shape, device=device)) for shape in shapes]
    for parameter in parameters:
        parameter.grad = torch.full_like(parameter, 1e-3)
    optimizer = spec.kind.made(_groups(spec, parameters), spec.extra_arguments, lr=_RATE, weight_decay=spec.weight_decay, total_steps=100)
    ledger = Ledger(device)
    with ledger:
        optimizer.step()
        before = ledger.now
        ledger.mark("again")
        optimizer.step()
    kept = [_storages(optimizer.state[parameter]) for parameter in parameters]
    uses = Counter(key for storages in kept for key in storages)
    own = [sum(size for key, size in storages.items() if uses[key] == 1) for storages in kept]
    shared = {key: size for storages in kept for key, size in storages.items() if uses[key] > 1}
    pages = [sum(_storages(_moments(optimizer.state[parameter])).values()) if parameter.numel() >= _PAGED_FROM else 0
             for parameter in parameters]
    return _Seen(own, pages, sum(shared.values()), ledger.stretches[-1].peak - before)


def _has_pages(spec: OptimizerSpec, device: torch.device) -> bool:
    return spec.kind.module == BITSANDBYTES and device.type == "cuda"


def _moments(state: Mapping[str, Any]) -> list[Any]:
    """What bitsandbytes keeps of a parameter, without the units of its 8-bit numbers."""
    return [state[name] for name in ("state1", "state2") if name in state]


def _groups(spec: OptimizerSpec, parameters: Sequence[nn.Parameter]) -> list[dict[str, Any]]:
    if not spec.kind.by_matrix:
        return [{"params": list(parameters), "lr": _RATE}]
    split = {is_matrix: [parameter for parameter in parameters if (parameter.ndim > 1) is is_matrix] for is_matrix in (True, False)}
    return [{"params": members, "lr": _RATE, "use_muon": is_matrix} for is_matrix, members in split.items() if members]


def _storages(state: object) -> dict[int, int]:
    """Every storage of the tensors in it, and its bytes."""
    storages = [leaf.untyped_storage() for leaf in tree_leaves(state) if isinstance(leaf, Tensor)]
    return {storage._cdata: storage.nbytes() for storage in storages}
