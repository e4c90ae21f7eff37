"""Spec + model -> Network: one adapter a target, and what is trained beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from ..errors import SettingsError, raise_problems
from ..ops import Norm, Op
from ..parts import Place, Trainable
from ..seeds import mix_seed
from .fitting import kind_of
from .kinds.adapter import Adapter, Change
from .kinds.dropout import Draws, Dropout
from .network import Network
from .offsets import Offset, bias_path
from .slots import Slot, every_slot, planned, slots_for
from .spec import WHERE, NetworkSpec
from .start_from import Starts, apply_start, slots_with_start


def build_network(spec: NetworkSpec, parts: Sequence[Trainable], *, seed: int, starts: Starts | None = None) -> Network:
    """Adapters for every target of every part. Each is initialised from its own seed, a function of (seed, key), so
    the values do not depend on which other modules are trained. Raises SettingsError when the targets match nothing,
    or when the algorithm cannot sit on one of them. `starts` is what the file of `spec.start_from` holds; its values
    are given by `prepare`."""
    kind = kind_of(spec)
    slots = slots_for(spec, parts)
    if spec.start_from is not None:
        assert starts is not None, "the host must read the file that the spec starts from"
        slots = slots_with_start(spec.start_from, starts, slots, every_slot(spec, parts) | planned(spec, parts), spec)
    keys = {(part.name, path): key for part in parts for path, key in part.file_keys.items()}
    ops = {place: slot.op for place, slot in slots.items() if isinstance(slot.op, Op)}
    _require_fitting(spec, kind, slots)
    draws = Draws([keys[place] for place in ops], spec.module_dropout)
    entries: dict[Place, tuple[Change, str]] = {}
    for place, slot in slots.items():
        if isinstance(slot.op, Norm):
            change = Offset.of_norm(slot.op)
        else:
            change = _adapter(spec, kind, slot, slot.op, seed, keys[place])
            change.dropout = Dropout(keys[place], draws, spec.dropout, spec.rank_dropout)
        change.lr_scale = slot.lr
        entries[place] = (change, keys[place])
    for (part, path), op in _with_bias(spec, parts, ops, starts or {}).items():
        offset = Offset.of_bias(op)
        offset.lr_scale = slots[part, path].lr
        entries[part, bias_path(path)] = (offset, keys[part, path])
    return Network(entries, spec, draws)


def prepare(network: Network, parts: Sequence[Trainable], starts: Starts | None = None) -> None:
    """Give the base weights to adapters that start from them (DoRA, PiSSA, IA3), for which the models must be loaded;
    then the values that training goes on from."""
    for part in parts:
        modules = dict(part.module.named_modules())
        for path, adapter in network.adapters_of(part.name).items():
            if adapter.needs_base:
                with torch.no_grad():
                    adapter.prepare(part.weights.weight(modules[path], torch.float32))
    apply_start(network.items(), starts or {})


def _adapter(spec: NetworkSpec, kind: type[Adapter], slot: Slot, op: Op, seed: int, key: str) -> Adapter:
    generator = torch.Generator().manual_seed(mix_seed("init", seed, key))
    return kind(op, slot.rank, slot.alpha, generator=generator, init=spec.init, options=spec.options)


def _with_bias(spec: NetworkSpec, parts: Sequence[Trainable], ops: Mapping[Place, Op], starts: Starts) -> dict[Place, Op]:
    """The layers whose bias is trained too: all that have one, or those of the file that training goes on from."""
    of_part = {part.name: part for part in parts}
    from_file = starts if spec.start_from is not None and spec.start_from.rank_from_file else {}
    biased = {(part, path): op for (part, path), op in ops.items() if of_part[part].has_bias(path)}
    if spec.train_biases and not biased:
        raise SettingsError(WHERE, ["train_biases is on, but none of the layers that are trained has a bias. Switch it off."])
    return {(part, path): op for (part, path), op in biased.items() if spec.train_biases or (part, bias_path(path)) in from_file}


def _require_fitting(spec: NetworkSpec, kind: type[Adapter], slots: Mapping[Place, Slot]) -> None:
    """Raises SettingsError with each thing that is wrong once, and the modules it is wrong with."""
    wrong: dict[str, list[str]] = {}
    for (_, path), slot in slots.items():
        problem = kind.problem(slot.op, slot.rank, spec.init, spec.options) if isinstance(slot.op, Op) else None
        if problem:
            wrong.setdefault(problem, []).append(path)
    raise_problems(SettingsError, WHERE, [
        f"{problem} ({len(paths)} modules, the first is '{paths[0]}')" for problem, paths in wrong.items()
    ])
