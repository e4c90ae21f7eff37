"""The same bits every time, on NVIDIA's and AMD's cards too, whose fastest kernels sum in whatever order their threads arrive.

torch has a switch for it. Set to raise, it ends a run at the first operation that has no such kernel; set to warn, its fused
attention takes no notice of it. So it is set to warn, and around the attention to raise.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
"""cuBLAS reads it when it first multiplies in a process, and torch asks whether it was set by then."""
_SETTING = ":4096:8"
_WITHOUT = re.compile(r"^(.+?) (?:does not have a deterministic implementation|defaults to a non-deterministic algorithm)")


def is_repeatable(device: torch.device) -> bool:
    """Whether the device could do it: before anything is computed with it."""
    if device.type != "cuda":
        return True
    os.environ.setdefault(WORKSPACE, _SETTING)
    try:
        with torch.inference_mode(False), torch.no_grad(), _switched(warn_only=False):
            one = torch.ones(8, 8, device=device)
            return bool((one @ one)[0, 0] == 8)
    except RuntimeError as error:
        if WORKSPACE not in str(error):
            raise
        return False


@contextmanager
def deterministic(tell: Callable[[str], None]) -> Iterator[None]:
    """While open, torch takes the kernel that gives the same bits every time, wherever it has one. `tell` gets the name of each
    operation that has none, once, when it is met."""
    cudnn: Any = torch.backends.cudnn
    tries = cudnn.benchmark
    try:
        cudnn.benchmark = False  # which kernel is the fastest differs from one try to the next
        with _noted(tell), _switched(warn_only=True):
            yield
    finally:
        cudnn.benchmark = tries


def is_asked() -> bool:
    """Whether what is computed now belongs to a gradient that is to be the same every time."""
    return torch.is_grad_enabled() and torch.is_deterministic_algorithms_warn_only_enabled()


def repeatable(attention: Callable[..., Tensor], q: Tensor, k: Tensor, v: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """attention(q, k, v, ...), obeying `deterministic` in its choice of a kernel and in its backward. The result is a view, which
    nobody may write into."""
    q, k, v = _Lenient.apply(q, k, v)
    with _switched(warn_only=False):
        y = attention(q, k, v, *args, **kwargs)
    return _Strict.apply(y)


class _Strict(torch.autograd.Function):
    """Behind the attention, so that its backward comes in front of the attention's."""

    @staticmethod
    def forward(ctx, y: Tensor) -> Tensor:
        return y.view_as(y)

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        torch.use_deterministic_algorithms(True)
        return grad


class _Lenient(torch.autograd.Function):
    """In front of the attention."""

    @staticmethod
    def forward(ctx, *inputs: Tensor) -> tuple[Tensor, ...]:
        return tuple(tensor.view_as(tensor) for tensor in inputs)

    @staticmethod
    def backward(ctx, *grads: Tensor) -> tuple[Tensor, ...]:
        torch.use_deterministic_algorithms(True, warn_only=True)
        return grads


@contextmanager
def _switched(*, warn_only: bool) -> Iterator[None]:
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    settings: Any = torch.utils.deterministic
    fills = settings.fill_uninitialized_memory
    try:
        settings.fill_uninitialized_memory = False  # nobody here reads memory that was not written
        torch.use_deterministic_algorithms(True, warn_only=warn_only)
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        settings.fill_uninitialized_memory = fills


@contextmanager
def _noted(tell: Callable[[str], None]) -> Iterator[None]:
    """torch's warnings about operations, as names; others are shown as ever."""
    known: set[str] = set()
    with warnings.catch_warnings():
        show = warnings.showwarning
        warnings.filterwarnings("always", message=r".*deterministic (implementation|algorithm)")

        def note(message, *args, **kwargs):
            found = _WITHOUT.match(str(message))
            if found is None:
                show(message, *args, **kwargs)
            elif found[1] not in known:
                known.add(found[1])
                tell(found[1])

        warnings.showwarning = note
        yield
