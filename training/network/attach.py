"""The side branch on a borrowed module: its forward is replaced while training, and put back afterwards. Around norms that are
trained it is that of the block: while it computes, they do with other weights.

Only the instance's `forward` attribute is touched: no hook, no subclass, no parameter is registered on the module,
so its state_dict, its flags and its place in ComfyUI's memory manager stay as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

import torch
from torch import nn

from ..ops import Op, named_ops
from ..parts import Trainable
from ..protocols import WeightAccess
from .checkpointing import checkpointed, recomputed
from .frozen import frozen_op, gradient_of_input
from .kinds.adapter import Adapter, Base
from .network import Network
from .offsets import Offset, bias_path


@contextmanager
def attached(network: Network, parts: list[Trainable], *, checkpointing: bool | Collection[str]) -> Iterator[None]:
    """While open, every target computes with its adapter, on top of the assistant's where there is one; every op that casts its
    weight keeps no copy of it for backward, and blocks are recomputed in backward when `checkpointing`: all of them, or those
    named (`checkpointing.unit_name`). Exiting, however it comes, undoes all of it. Raises ValueError for a name that no block has."""
    forwards = _Forwards()
    try:
        chosen = recomputed(parts, checkpointing)
        for part in parts:
            _wire_ops(forwards, network, part)
            blocks = chosen[part.name]
            _wire_norms(forwards, network, part, {**blocks, "": part.module})
            for owner in (network, network.assistant) if network.assistant is not None else (network,):
                _wire_copies(forwards, owner, part)
            for block in blocks.values():
                forwards.replace(block, checkpointed(block.forward))
        yield
    finally:
        forwards.restore()
        network.copies.forget()


def _wire_ops(forwards: _Forwards, network: Network, part: Trainable) -> None:
    targets = network.adapters_of(part.name)
    under = network.assistant.adapters_of(part.name) if network.assistant is not None else {}
    for name, module, op in named_ops(part.module):
        run, gradient = module.forward, None
        weight = partial(part.weights.weight, module)
        if part.weights.can_recast(module):
            run, gradient = _frozen(op, run, weight, module, part.weights)
            forwards.replace(module, run)
        for adapter in (under.get(name), targets.get(name)):
            if isinstance(adapter, Adapter):
                run = _adapted_forward(adapter, Base(run, weight, partial(part.weights.bias, module), gradient))
                gradient = None  # of an op with an adapter only autograd knows it
                forwards.replace(module, run)
        offset = targets.get(bias_path(name))
        if isinstance(offset, Offset):
            forwards.replace(module, _shifted_forward(offset, op, run))


def _wire_norms(forwards: _Forwards, network: Network, part: Trainable, scopes: dict[str, nn.Module]) -> None:
    """Each norm that is trained acts inside the first of `scopes`, modules by path, that it lies in: a block that is recomputed
    in backward must see it then too."""
    found: dict[str, list[tuple[nn.Module, Offset]]] = {}
    norms = dict(part.norms)
    for path, offset in network.adapters_of(part.name).items():
        if path in norms and isinstance(offset, Offset):
            scope = next(name for name in scopes if not name or path.startswith(f"{name}."))
            found.setdefault(scope, []).append((part.module.get_submodule(path), offset))
    for name, members in found.items():
        forwards.replace(scopes[name], _with_norms(scopes[name].forward, members, part.weights))


def _wire_copies(forwards: _Forwards, network: Network, part: Trainable) -> None:
    """Where the part computes in another dtype than fp32, its adapters' tensors are cast once a forward."""
    casting = [(adapter, own) for adapter in network.adapters_of(part.name).values() if (own := adapter.cast_tensors())]
    dtype, forward = part.weights.dtype, part.module.forward

    def run(*args, **kwargs):
        with network.copies.made([tensor for adapter, own in casting if adapter.enabled for tensor in own], dtype):
            return forward(*args, **kwargs)

    if casting and dtype is not torch.float32:
        forwards.replace(part.module, run)


def _with_norms(forward: Callable, norms: Sequence[tuple[nn.Module, Offset]], weights: WeightAccess) -> Callable:
    def run(*args, **kwargs):
        with ExitStack() as stack:
            for module, offset in norms:
                stack.enter_context(weights.changed(module, offset.changes()))
            return forward(*args, **kwargs)

    return run


def _frozen(op: Op, run: Callable, weight: Callable, module: nn.Module, weights: WeightAccess) -> tuple[Callable, Callable]:
    """Its forward, and the gradient of its input."""
    in_fp8, at_hand = partial(weights.in_fp8, module), partial(weights.at_hand, module)
    # Asked in every forward: after a preview the host may have loaded more of the model, or less. Of a convolution autograd would
    # keep the input too, for a gradient of its weight that nobody asks for. A CPU's product is the same one with gradients and without.
    is_frozen = lambda x: not op.is_linear or x.device.type == "cpu" or weights.recasts(module)  # noqa: E731
    forward = lambda x: frozen_op(x, op, run, weight, in_fp8, at_hand) if is_frozen(x) else run(x)  # noqa: E731
    return forward, partial(gradient_of_input, op=op, weight=weight, in_fp8=in_fp8, at_hand=at_hand)


def _adapted_forward(adapter: Adapter, base: Base) -> Callable:
    return lambda x: adapter.forward(x, base)


def _shifted_forward(offset: Offset, op: Op, run: Callable) -> Callable:
    return lambda x: offset.shift(run(x), op)


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
