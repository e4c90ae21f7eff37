"""Spec + model -> Network: one adapter a target."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from ..data.batches import mix_seed
from ..protocols import Trainable
from . import lora as _lora  # noqa: F401  registers itself
from .adapter import Adapter, adapters
from .ops import Op, named_ops
from .spec import NetworkSpec
from .targets import Blocks, select


class Network:
    """The adapters of a run. `part` is a Trainable's name, `path` a module's dotted path below it.

    `file_keys` holds each adapter's key in the LoRA file, in the same order.
    """

    def __init__(self, entries: Mapping[tuple[str, str], tuple[Adapter, str]], spec: NetworkSpec):
        self.spec = spec
        self._adapters = {place: adapter for place, (adapter, _) in entries.items()}
        self.file_keys = {place: key for place, (_, key) in entries.items()}

    def __len__(self) -> int:
        return len(self._adapters)

    def items(self) -> Iterator[tuple[tuple[str, str], Adapter]]:
        yield from self._adapters.items()

    def adapters_of(self, part: str) -> dict[str, Adapter]:
        return {path: adapter for (name, path), adapter in self._adapters.items() if name == part}

    def named_parameters(self, part: str | None = None) -> Iterator[tuple[str, nn.Parameter]]:
        """('<file key>.<parameter>', parameter), of one part or of all, in a fixed order."""
        for place, adapter in self._adapters.items():
            if part is None or place[0] == part:
                for name, parameter in adapter.named_parameters():
                    yield f"{self.file_keys[place]}.{name}", parameter

    def parameter_count(self) -> int:
        return sum(parameter.numel() for _, parameter in self.named_parameters() if parameter.requires_grad)

    def to(self, device: torch.device) -> "Network":
        for adapter in self._adapters.values():
            adapter.to(device)
        return self

    @contextmanager
    def disabled(self) -> Iterator[None]:
        """The base model alone, for as long as it is open."""
        for adapter in self._adapters.values():
            adapter.enabled = False
        try:
            yield
        finally:
            for adapter in self._adapters.values():
                adapter.enabled = True

    @contextmanager
    def at_strength(self, strength: float) -> Iterator[None]:
        """Everything the adapters add is multiplied by `strength` (previews)."""
        for adapter in self._adapters.values():
            adapter.strength = strength
        try:
            yield
        finally:
            for adapter in self._adapters.values():
                adapter.strength = 1.0


def build_network(spec: NetworkSpec, parts: Sequence[tuple[Trainable, Blocks]], *, seed: int) -> Network:
    """Adapters for every target of every part. Each is initialised from its own seed, a function of (seed, key), so
    the values do not depend on which other modules are trained. Raises SettingsError when the targets match nothing."""
    factory = adapters.get(spec.algorithm)
    entries: dict[tuple[str, str], tuple[Adapter, str]] = {}
    for part, blocks in parts:
        ops = {name: op for name, _, op in named_ops(part.module) if name in part.file_keys}
        for path in select(list(ops.items()), spec.targets, blocks, with_convolutions=spec.conv_rank > 0):
            key = part.file_keys[path]
            generator = torch.Generator().manual_seed(mix_seed("init", seed, key))
            rank, alpha = rank_and_alpha(spec, ops[path])
            entries[part.name, path] = (factory(ops[path], rank, alpha, generator=generator), key)
    return Network(entries, spec)


def rank_and_alpha(spec: NetworkSpec, op: Op) -> tuple[int, float]:
    """conv_rank and conv_alpha for true convolutions when set; 1x1 ones count as linears, as in kohya's scripts."""
    if spec.conv_rank and not op.is_linear and not op.is_pointwise:
        return spec.conv_rank, spec.conv_alpha
    return spec.rank, spec.alpha
