"""Dropout in kohya's three forms, with masks that are a function of (seed of the micro-batch, module).

A block that gradient checkpointing recomputes gets the same masks again, and a resumed run needs no generator state:
the loop names a seed before each micro-batch (`Network.begin`), and every module draws from its own generator.
All calls of a module within one micro-batch see the same masks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import unset_fake_temporarily

from ...devices.backend import generator_on
from ...seeds import mix_seed


class Draws:
    """Where the adapters of a network look up what is drawn for the micro-batch they are in.

    `keys` are its modules, of which each is skipped with probability `module`; never all of them, since nothing would
    be left to learn.
    """

    def __init__(self, keys: Sequence[str] = (), module: float = 0.0) -> None:
        self._keys = keys
        self._module = module
        self._seed: int | None = None
        #: Asked for `uniform` in place of `drawn`, where somebody must know what is drawn.
        self.given: Callable[..., Tensor] | None = None
        self.skipped: frozenset[str] = frozenset()

    def begin(self, seed: int) -> None:
        self._seed = seed
        if self._module:
            drawn = torch.rand(len(self._keys), generator=self.generator(torch.device("cpu"), "module")) < self._module
            if drawn.all():
                drawn[self.integer(len(self._keys), "kept")] = False
            self.skipped = frozenset(key for key, skip in zip(self._keys, drawn.tolist(), strict=True) if skip)

    def generator(self, device: torch.device, *purpose: str) -> torch.Generator:
        """A fresh generator for one purpose of one module."""
        assert self._seed is not None, "Network.begin(seed) must be called before a micro-batch is computed"
        return generator_on(device, mix_seed(self._seed, *purpose))

    def uniform(self, shape: tuple[int, ...], device: torch.device, *purpose: str) -> Tensor:
        """Numbers in [0, 1), fp32, on `device`: the same ones each time that they are asked for within a micro-batch."""
        return (self.given or self.drawn)(shape, device, *purpose)

    def drawn(self, shape: tuple[int, ...], device: torch.device, *purpose: str) -> Tensor:
        """`uniform`, as it is."""
        generator = self.generator(device, *purpose)
        return torch.rand(shape, device=generator.device, generator=generator).to(device)

    def integer(self, high: int, *purpose: str) -> int:
        """Uniform in 0..high - 1. Where a step is rehearsed on fakes, which have no numbers, it is drawn all the same."""
        with unset_fake_temporarily():
            return int(torch.randint(high, (), generator=self.generator(torch.device("cpu"), *purpose)))


@dataclass(frozen=True)
class Dropout:
    """Probabilities in [0, 1). Acts only where gradients are recorded: previews and validation see the whole adapter.

    rank      each sample loses some ranks, the rest is scaled by 1 / (1 - p)
    hidden    each inner value on its own, scaled by 1 / (1 - p)

    `draws` knows which modules are skipped: their whole change is left out, and the others are not scaled up.
    """

    key: str
    draws: Draws = field(repr=False)
    hidden: float = 0.0
    rank: float = 0.0

    @property
    def acts(self) -> bool:
        """Whether `apply` does anything."""
        return bool(self.hidden or self.rank)

    def skips(self) -> bool:
        """Whether this module's change is left out of this micro-batch."""
        return self.key in self.draws.skipped and torch.is_grad_enabled()

    def apply(self, hidden: Tensor, rank_axis: int, branch: str = "") -> Tensor:
        """`hidden` (B, ...) with its values on `rank_axis` dropped. `branch` tells two inner values of a module apart."""
        if not torch.is_grad_enabled():
            return hidden
        if self.hidden:
            hidden = hidden * self._mask(hidden, hidden.shape, self.hidden, branch, "hidden")
        if self.rank:
            shape = [1] * hidden.ndim
            shape[0], shape[rank_axis] = hidden.shape[0], hidden.shape[rank_axis]
            hidden = hidden * self._mask(hidden, shape, self.rank, branch, "rank")
        return hidden

    def _mask(self, like: Tensor, shape: Sequence[int], probability: float, *purpose: str) -> Tensor:
        kept = self.draws.uniform(tuple(shape), like.device, self.key, *purpose) >= probability
        return kept.to(like.dtype) / (1 - probability)


OFF = Dropout("", Draws())
