"""In-place writes that leave gradients right, whatever a model writes into.

Models save memory by writing into their activations: `x += y`, `h.addcmul_(…)`, `x[:, :n] *= g`, `clamp(x, out=x)`. What
autograd kept of them for backward is then another tensor's values. Autograd refuses that where it sees it; inside recomputed
blocks, where it does not, the gradient is silently wrong (ComfyUI's CLIP-L by up to 8 %, PixelDiT by 61 %).

Here autograd keeps lazy clones: copies that share the memory until somebody writes (PyTorch's copy-on-write storages). A write
moves the writer to memory of its own; where nobody writes, nothing is copied. It holds for every operation, views included.
PyTorch sees to it on CPUs and in CUDA and ROCm; elsewhere an operation may write to shared memory unseen (Apple's do), so there
what is kept is copied at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch._C._autograd import _top_saved_tensors_default_hooks
from torch.autograd.graph import saved_tensors_hooks
from torch.overrides import TorchFunctionMode, _get_current_function_mode

from ..devices.backend import copies_on_write
from ..ops import PLAIN

_constant: Collection[int] = ()


@contextmanager
def harmless(constant: Collection[int] = ()) -> Iterator[None]:
    """While open, in-place writes change no tensor that autograd has kept.

    `constant` are the storages (`storage_of`) that nobody writes to, the base weights: they are kept as they are, since their
    owner may rely on where they lie."""

    def keep(tensor: Tensor) -> Tensor:  # thousands of times a step: no more than is needed
        if type(tensor) not in PLAIN or tensor.layout is not torch.strided or tensor.untyped_storage()._cdata in constant:
            return tensor
        return _cloned(tensor)

    global _constant
    before, _constant = _constant, constant
    try:
        with saved_tensors_hooks(keep, _as_it_is):
            yield
    finally:
        _constant = before


def followed(forward: Callable) -> Callable:
    """`forward`, where autograd refuses some of its writes: they are made such that it can follow them. Looking at every call
    costs 3 microseconds each, so that begins with the first refusal, and the forward begins anew."""
    refused = False

    def run(*args, **kwargs):
        nonlocal refused
        if not refused:
            try:
                return forward(*args, **kwargs)
            except RuntimeError as error:
                if not any(words in str(error) for words in _REFUSALS):
                    raise
                refused = True
        with _Followed():
            return forward(*args, **kwargs)

    return run


def recomputable(forward: Callable) -> Callable:
    """`forward` as a block to recompute: it may write into its arguments, and what the block keeps is lazily cloned before
    the checkpoint's own hooks, which know nothing of `harmless`, get to see it. Made anew for every forward: in backward,
    PyTorch has put the function modes of the forward away."""
    mode = _get_current_function_mode()

    def run(*args, **kwargs):
        args, kwargs = lazily(args), lazily(kwargs)
        hooks = _top_saved_tensors_default_hooks(False)
        if hooks is None:
            return forward(*args, **kwargs)
        pack, unpack = hooks
        again = mode if isinstance(mode, _Followed) and mode is not _get_current_function_mode() else nullcontext()
        with saved_tensors_hooks(lambda tensor: pack(lazy_clone(tensor)), unpack), again:
            return forward(*args, **kwargs)

    return run


def hooks_so_far() -> tuple[Callable[[Tensor], Any], Callable[[Any], Tensor]]:
    """How autograd packs and unpacks what it keeps, for hooks that go on from there. Without `harmless` around, as it would."""
    return _top_saved_tensors_default_hooks(False) or (lazy_clone, _as_it_is)


def lazy_clone(tensor: Tensor) -> Tensor:
    """A clone that shares the memory of `tensor` until one of the two is written to. What has no storage to share (ComfyUI's
    quantised tensors) is given back as it is."""
    if type(tensor) not in PLAIN or tensor.layout != torch.strided or tensor.is_inference():
        return tensor
    return _cloned(tensor)


def _cloned(tensor: Tensor) -> Tensor:
    if not copies_on_write(tensor.device):
        return tensor if tensor.untyped_storage()._cdata in _constant else tensor.clone()
    try:
        return torch._lazy_clone(tensor)  # pyright: ignore[reportPrivateImportUsage]
    except RuntimeError:  # memory that PyTorch did not allocate itself: numpy's, a file's, pinned
        return tensor.clone() if tensor.requires_grad else tensor


def storage_of(tensor: Tensor) -> int:
    """What tells a storage from every other one that is alive; 0 where there is none."""
    return tensor.untyped_storage()._cdata if type(tensor) in PLAIN and tensor.layout == torch.strided else 0


def _as_it_is(tensor: Tensor) -> Tensor:
    return tensor


def lazily(arguments: Any) -> Any:
    """A call's arguments, positional (a tuple) or by keyword, with lazy clones of its tensors. Lists and dictionaries among
    them stay the caller's own."""
    if isinstance(arguments, dict):
        return {name: _lazy(value) for name, value in arguments.items()}
    return tuple(_lazy(value) for value in arguments)


def _lazy(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_lazy(entry) for entry in value)
    return lazy_clone(value) if torch.is_tensor(value) else value


class _Followed(TorchFunctionMode):
    """Two writes that autograd refuses while gradients are on, made so that it can follow them: `out=`, which becomes the
    operation and a copy into `out`; and writes into the pieces of `split`, which become pieces that stand for themselves."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func in _PIECES and torch.is_grad_enabled():
            return _PIECES[func](*args, **kwargs)
        if kwargs.get("out") is not None and torch.is_grad_enabled():
            out = kwargs.pop("out")
            return _written(out, func(*args, **kwargs))
        return func(*args, **kwargs)


#: What autograd says of writes that it cannot follow.
_REFUSALS = ("out=... arguments don't support automatic differentiation", "a view and is being modified inplace")

_PIECES: dict[Callable, Callable] = {
    torch.chunk: torch.unsafe_chunk, Tensor.chunk: torch.unsafe_chunk,
}


def _written(out, result):
    if torch.is_tensor(out):
        return out.copy_(result) if out.shape == result.shape else out.resize_(result.shape).copy_(result)
    return type(result)(_written(mine, other) for mine, other in zip(out, result, strict=True))
