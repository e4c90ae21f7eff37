"""Spec + model -> Network: one adapter a target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from ..errors import SettingsError, raise_problems
from ..parts import Place, Trainable
from ..seeds import mix_seed
from .fitting import kind_of
from .kinds.adapter import Adapter
from .kinds.dropout import Draws, Dropout
from .network import Network
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
        slots = slots_with_start(spec.start_from, starts, slots, every_slot(spec, parts) | planned(spec, parts), spec.algorithm)
    keys = {(part.name, path): key for part in parts for path, key in part.file_keys.items()}
    _require_fitting(spec, kind, slots)
    draws = Draws([keys[place] for place in slots], spec.module_dropout)
    entries = {}
    for place, slot in slots.items():
        adapter = _adapter(spec, kind, slot, seed, keys[place])
        adapter.dropout = Dropout(keys[place], draws, spec.dropout, spec.rank_dropout)
        entries[place] = (adapter, keys[place])
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


def _adapter(spec: NetworkSpec, kind: type[Adapter], slot: Slot, seed: int, key: str) -> Adapter:
    generator = torch.Generator().manual_seed(mix_seed("init", seed, key))
    adapter = kind(slot.op, slot.rank, slot.alpha, generator=generator, init=spec.init, options=spec.options)
    adapter.lr_scale = slot.lr
    return adapter


def _require_fitting(spec: NetworkSpec, kind: type[Adapter], slots: Mapping[Place, Slot]) -> None:
    """Raises SettingsError with each thing that is wrong once, and the modules it is wrong with."""
    wrong: dict[str, list[str]] = {}
    for (_, path), slot in slots.items():
        problem = kind.problem(slot.op, slot.rank, spec.init, spec.options)
        if problem:
            wrong.setdefault(problem, []).append(path)
    raise_problems(SettingsError, WHERE, [
        f"{problem} ({len(paths)} modules, the first is '{paths[0]}')" for problem, paths in wrong.items()
    ])
