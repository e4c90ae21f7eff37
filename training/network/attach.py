"""The side branch on a borrowed module: its forward is replaced while training, and put back afterwards.

Only the instance's `forward` attribute is touched: no hook, no subclass, no parameter is registered on the module,
so its state_dict, its flags and its place in ComfyUI's memory manager stay as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from torch import nn

from ..ops import Op, named_ops
from ..parts import Trainable
from .checkpointing import checkpointed, units
from .frozen import frozen_op
from .kinds.adapter import Adapter, Base
from .network import Network


@contextmanager
def attached(network: Network, parts: list[Trainable], *, checkpointing: bool) -> Iterator[None]:
    """While open, every target computes with its adapter, every op that casts its weight keeps no copy of it for
    backward, and blocks are recomputed in backward when `checkpointing`. Exiting, however it comes, undoes all of it."""
    forwards = _Forwards()
    try:
        for part in parts:
            _wire_ops(forwards, network, part)
            if checkpointing:
                for _, block in units(part.module):
                    forwards.replace(block, checkpointed(block.forward))
        yield
    finally:
        forwards.restore()


def _wire_ops(forwards: _Forwards, network: Network, part: Trainable) -> None:
    targets = network.adapters_of(part.name)
    for name, module, op in named_ops(part.module):
        run = module.forward
        weight = partial(part.weights.weight, module)
        if part.weights.can_recast(module):
            run = _frozen_forward(op, run, weight, partial(part.weights.recasts, module))
            forwards.replace(module, run)
        if name in targets:
            base = Base(run, weight, partial(part.weights.bias, module))
            forwards.replace(module, _adapted_forward(targets[name], base))


def _frozen_forward(op: Op, run: Callable, weight: Callable, recasts: Callable[[], bool]) -> Callable:
    # Asked in every forward: after a preview the host may have loaded more of the model, or less.
    return lambda x: frozen_op(x, op, run, weight) if recasts() else run(x)


def _adapted_forward(adapter: Adapter, base: Base) -> Callable:
    return lambda x: adapter(x, base)


class _Forwards:
    """Instance-level replacements of `forward`, undone in reverse."""

    def __init__(self) -> None:
        self._undo: list[tuple[nn.Module, Callable | None]] = []

    def replace(self, module: nn.Module, forward: Callable) -> None:
        self._undo.append((module, module.__dict__.get("forward")))
        module.__dict__["forward"] = forward

    def restore(self) -> None:
        while self._undo:
            module, previous = self._undo.pop()
            if previous is None:
                module.__dict__.pop("forward", None)
            else:
                module.__dict__["forward"] = previous
