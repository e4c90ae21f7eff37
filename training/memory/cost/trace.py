"""What a step holds, block by block, from one look at it without recomputing: enough to tell what it would hold with any set of blocks
recomputed, and what that would cost in time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch._C._autograd import _get_sequence_nr
from torch.utils._pytree import tree_leaves

from ..choice import CHEAP, MAIN_MEMORY, MemoryChoice
from .alike import Alike
from .ledger import Ledger, Memory, Stretch

FORWARD, AFTER, BACKWARD, BEFORE = "forward", "after", "backward", "before"


@dataclass
class Pass:
    """One forward through a block, at which `before` bytes were alive: what it keeps for backward and would not if it were
    recomputed, `saved`; its FLOPs and calls. A block is passed through twice where the model is asked twice."""

    unit: str
    before: int
    saved: int = 0
    flops: int = 0
    calls: int = 0


@dataclass(frozen=True)
class Effort:
    """FLOPs of matrix products, convolutions and attention, and operations that the host calls."""

    flops: int
    calls: int


@dataclass(frozen=True)
class Trace:
    """One step, as a run of `stretches`. Those about a pass are 'forward i', 'after i' (until the next one), 'backward i' and
    'before i' (until the next one), i being its place in `passes`; the others are named by what is done in them. `resident` bytes are
    there in every step (adapters, the optimizer's state), `peak` bytes were at most."""

    stretches: Sequence[Stretch]
    passes: Sequence[Pass]
    resident: int

    def peak(self, choice: MemoryChoice) -> int:
        """The most bytes that are alive at once in a step that obeys `choice` (but for where the state lies, and for what is cheap: that
        takes a trace of its own)."""
        most, gone, left_out = 0, 0, set()
        for stretch in self.stretches:
            kind, _, number = stretch.name.partition(" ")
            passed = self.passes[int(number)] if kind in (FORWARD, AFTER, BACKWARD, BEFORE) and number else None
            if passed is not None and kind == AFTER and choice.recomputes(passed.unit) and choice.recompute != CHEAP:
                left_out.add(number)
                gone += passed.saved
            elif passed is not None and kind == BACKWARD and number in left_out:
                left_out.discard(number)
                gone -= passed.saved
            elsewhere = gone
            if choice.activations == MAIN_MEMORY:  # all that was kept before this, and nothing of the block itself
                kept = passed.before if passed is not None and kind != AFTER else stretch.start
                elsewhere = max(0, kept - self.resident)
            most = max(most, stretch.peak - elsewhere)
        return most

    def effort(self, choice: MemoryChoice) -> Effort:
        """Of the whole step. What is cheap and computed twice is in a trace of its own."""
        again = [passed for passed in self.passes if choice.recomputes(passed.unit)] if choice.recompute != CHEAP else []
        parts = [*self.stretches, *again]
        return Effort(sum(part.flops for part in parts), sum(part.calls for part in parts))

    def saved(self) -> Mapping[str, int]:
        """Block -> the bytes that recomputing it saves between forward and backward, where it saves any."""
        return {unit: size for unit, size in self._by_unit(lambda passed: passed.saved).items() if size > 0}

    def flops(self) -> Mapping[str, int]:
        """Block -> the FLOPs that recomputing it costs."""
        return self._by_unit(lambda passed: passed.flops)

    def _by_unit(self, of: Callable[[Pass], int]) -> Mapping[str, int]:
        found: dict[str, int] = {}
        for passed in self.passes:
            found[passed.unit] = found.get(passed.unit, 0) + of(passed)
        return found


@dataclass
class Watch:
    """Fills `passes` while the blocks that it is put `around` are passed through; with `alike`, some of them are only counted."""

    ledger: Ledger
    alike: Alike | None = None
    passes: list[Pass] = field(default_factory=list)
    _inputs: list[set[Memory]] = field(default_factory=list)

    @contextmanager
    def around(self, units: Mapping[str, nn.Module]) -> Iterator[None]:
        """While open, each forward of these blocks, by name, is a pass."""
        before = {name: unit.__dict__.get("forward") for name, unit in units.items()}
        try:
            for name, unit in units.items():
                unit.__dict__["forward"] = self._watched(name, unit.forward)
            yield
        finally:
            for name, unit in units.items():
                del unit.__dict__["forward"]
                if before[name] is not None:
                    unit.__dict__["forward"] = before[name]

    def after_forward(self) -> None:
        """What came into a block and is gone by now is kept when the block is recomputed."""
        kept: set[Memory] = set()
        for passed, inputs in zip(self.passes, self._inputs, strict=True):
            gone = {memory for memory in inputs - kept if not memory.holders}
            kept |= gone
            passed.saved -= sum(memory.counted for memory in gone)
        self._inputs.clear()

    def _watched(self, name: str, forward: Callable) -> Callable:
        def run(*args, **kwargs):
            if not torch.is_grad_enabled():
                return forward(*args, **kwargs)
            number, passed = len(self.passes), Pass(name, before=self.ledger.now)
            self.passes.append(passed)
            self._inputs.append(self._memories((args, kwargs)))
            self.ledger.mark(f"{FORWARD} {number}")
            begun = _get_sequence_nr()
            if self.alike is None:
                found = forward(*args, **kwargs)
            else:
                found = self.alike.passed(number, name, forward, args, kwargs, lambda: self._leave(number))
            self._measure(passed, found, self._inputs[number])
            self.ledger.mark(f"{AFTER} {number}")
            for tensor in tree_leaves(found):
                if isinstance(tensor, Tensor) and tensor.grad_fn is not None and tensor.grad_fn._sequence_nr() >= begun:
                    tensor.register_hook(lambda _: self.ledger.mark(f"{BACKWARD} {number}"))
            return found

        return run

    def _leave(self, number: int) -> None:
        """The backward of that pass is over; where that of the one before it has begun at once, that is known already."""
        if self.ledger.stretches[-1].name == f"{BACKWARD} {number}":
            self.ledger.mark(f"{BEFORE} {number}")

    def _measure(self, passed: Pass, found: object, inputs: set[Memory]) -> None:
        given_on = sum(memory.counted for memory in self._memories(found) - inputs)
        passed.saved = self.ledger.now - passed.before - given_on
        passed.flops, passed.calls = self.ledger.stretches[-1].flops, self.ledger.stretches[-1].calls

    def _memories(self, value: object) -> set[Memory]:
        """What the tensors in it lie in."""
        memories = [self.ledger.memory(tensor) for tensor in tree_leaves(value) if isinstance(tensor, Tensor)]
        return {memory for memory in memories if memory is not None}
