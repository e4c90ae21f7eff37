"""A backward for comfy_kitchen's kernels, which newer ComfyUI calls in the middle of a model and which have none.

Each kernel has a twin of plain torch, its 'eager' implementation: backward runs that on the same inputs under autograd. The
kernels are asked for by what they are, operations without a derivative, so that new ones are covered on the day they come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch._library.custom_ops import OPDEFS

from .. import compat
from .borrow import attributes

_LIBRARY = "comfy_kitchen"


@contextmanager
def differentiable() -> Iterator[None]:
    """While open, every kernel that has a twin can be passed through backward. Nothing happens where there are no kernels."""
    found = compat.kernels()
    if found is None:
        yield
        return
    library, eager = found
    for name, definition in list(OPDEFS.items()):
        kernel = name.removeprefix(f"{_LIBRARY}::")
        if kernel != name and _lacks_a_backward(definition) and hasattr(eager, kernel):
            _give_backward(name, getattr(eager, kernel))
    with attributes([(library, name, _in_place(getattr(library, name[:-1]))) for name in _writing(library)]):
        yield


def _lacks_a_backward(definition: Any) -> bool:
    writes = any(argument.alias_info is not None and argument.alias_info.is_write for argument in _arguments(definition))
    return definition._backward_fn is None and not writes


def _arguments(definition: Any) -> Sequence[Any]:
    return definition._opoverload._schema.arguments


def _give_backward(name: str, twin: Callable) -> None:
    """It stays: a derivative does nothing to those who ask for none."""

    def keep(ctx, inputs, output) -> None:
        _require_plain_numbers(name, (*inputs, *(output if isinstance(output, tuple) else (output,))))
        ctx.others = [None if torch.is_tensor(value) else value for value in inputs]
        ctx.places = [place for place, value in enumerate(inputs) if torch.is_tensor(value)]
        ctx.save_for_backward(*(inputs[place] for place in ctx.places))

    torch.library.register_autograd(name, partial(_backward, twin), setup_context=keep)


def _require_plain_numbers(name: str, values: Sequence[Any]) -> None:
    """Quantised values are rounded, and autograd gives rounding a gradient of zero: no gradient is better than that one."""
    narrow = {value.dtype for value in values if torch.is_tensor(value) and not (value.is_floating_point() and value.itemsize > 1)}
    if narrow:
        raise RuntimeError(f"{name} computes on {', '.join(map(str, narrow))} and has no gradient")


def _backward(twin: Callable, ctx, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
    inputs = list(ctx.others)
    for place, tensor in zip(ctx.places, ctx.saved_tensors, strict=True):
        inputs[place] = tensor.detach().requires_grad_(ctx.needs_input_grad[place])
    with torch.enable_grad():
        outputs = twin(*inputs)
    outputs = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
    known = [(output, grad) for output, grad in zip(outputs, grads, strict=True) if grad is not None and output.requires_grad]
    asked = [place for place in ctx.places if ctx.needs_input_grad[place]]
    found = torch.autograd.grad([output for output, _ in known], [inputs[place] for place in asked],
                                [grad for _, grad in known], allow_unused=True)
    by_place = dict(zip(asked, found, strict=True))
    return tuple(by_place.get(place) for place in range(len(inputs)))


def _writing(library: ModuleType) -> list[str]:
    """Kernels that write into what they are given, beside which stands one that does not: `rms_rope_` and `rms_rope`."""
    return [name for name in dir(library) if name.endswith("_") and not name.endswith("__") and callable(getattr(library, name[:-1], None))]


def _in_place(functional: Callable) -> Callable:
    """The same by the kernel that writes nothing, and a copy that autograd follows."""

    def run(*args, **kwargs):
        found = functional(*args, **kwargs)
        if torch.is_tensor(found):
            return args[0].copy_(found)
        return tuple(into.copy_(value) for into, value in zip(args, found, strict=False))

    return run
