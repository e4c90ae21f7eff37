"""Lending ComfyUI's loaded weights to autograd, without copying a byte.

ComfyUI loads and runs models under `torch.inference_mode`; autograd may not save such tensors for backward. A tensor
made outside that mode on the same storage may be saved. So every parameter and buffer is replaced by such an alias
while training, and the originals are put back: the very same objects, never written to. Where ComfyUI has put something else in the
place of an alias meanwhile, or moved it, since somebody had the model unloaded, what ComfyUI put there stays.

A module moved outside inference mode reports `is_inference() == False` and still fails in autograd, so every tensor is
aliased, without asking.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeGuard

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor

#: How the attributes of a layer begin that ComfyUI itself makes, moves and drops while it runs (dynamic VRAM, pinned memory): they are
#: left to it, since putting an old one back would bring back memory that is gone, and it does not look twice for one that it made.
_COMFYUI_S_OWN = ("_v_", "_pin", "_prefetch")


@contextmanager
def borrowed(modules: Sequence[nn.Module], twin: Callable[[torch.Tensor], torch.Tensor] | None = None) -> Iterator[None]:
    """While open: autograd works through `modules`, gradients are on, no base weight asks for one. `twin` makes what stands in a
    tensor's place, an `alias` unless told otherwise."""
    with torch.inference_mode(False), torch.enable_grad():
        undo: list[Callable[[], None]] = []
        aliases: dict[int, torch.Tensor] = {}
        try:
            for module in modules:
                for child in module.modules():
                    _lend(child, twin or alias, aliases, undo)
            yield
        finally:
            while undo:
                undo.pop()()


@contextmanager
def attributes(changes: Sequence[tuple[object, str, object]]) -> Iterator[None]:
    """(object, name, value): instance attributes set while open, put back or removed afterwards."""
    before = []
    try:
        for target, name, value in changes:
            own = vars(target)
            before.append((target, name, name in own, own.get(name)))
            setattr(target, name, value)
        yield
    finally:
        for target, name, existed, value in reversed(before):
            if existed:
                setattr(target, name, value)
            else:
                delattr(target, name)


def is_comfyui_s(name: str) -> bool:
    """Whether an attribute of a layer is ComfyUI's to make and to drop."""
    return name.startswith(_COMFYUI_S_OWN) or name == "_v"


def alias(tensor: torch.Tensor) -> torch.Tensor:
    """A normal tensor on the same storage: same values, strides and dtype, zero bytes copied. It can be had of every tensor: one that
    was loaded under inference mode and moved outside of it, as Unload Models does, gives no view of itself."""
    plain = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
    return plain.set_(tensor.untyped_storage(), tensor.storage_offset(), tensor.size(), tensor.stride())


def _lend(module: nn.Module, twin: Callable, aliases: dict[int, torch.Tensor], undo: list[Callable[[], None]]) -> None:
    tables: list[tuple[dict[str, Any], bool]] = [(module._parameters, True), (module._buffers, False), (vars(module), False)]
    for table, wrap in tables:
        for name, tensor in list(table.items()):
            if not _is_plain(tensor) or is_comfyui_s(name):
                continue
            if id(tensor) not in aliases:
                made = twin(tensor)
                aliases[id(tensor)] = nn.Parameter(made, requires_grad=False) if wrap else made
                # ComfyUI notes things on its tensors: the dtype that a weight is meant to be loaded in.
                vars(aliases[id(tensor)]).update(vars(tensor))
            table[name] = aliases[id(tensor)]
            undo.append(_put_back(table, name, aliases[id(tensor)], tensor))


def _is_plain(value: Any) -> TypeGuard[torch.Tensor]:
    """Subclasses (ComfyUI's quantised tensors) are never saved by autograd: the frozen op handles them."""
    return type(value) in (torch.Tensor, nn.Parameter) and value.layout == torch.strided


def _put_back(table: dict, name: str, lent: torch.Tensor, tensor: torch.Tensor) -> Callable[[], None]:
    def put_back() -> None:
        if table.get(name) is lent and (lent.device == tensor.device or isinstance(lent, FakeTensor)):
            table[name] = tensor

    return put_back
