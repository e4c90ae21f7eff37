"""The adapters' tensors in the dtype that is computed in, made together when a forward begins.

They are trained in fp32, and layers in bf16 want them in bf16. Cast by each layer alone, in forward, once more where blocks are
recomputed, and their gradients back again, that was every fourth launch of a step of SDXL.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor
from torch._utils import _unflatten_dense_tensors


class Copies:
    """Call it for a tensor in some dtype: it is the copy, where there is one, else cast now."""

    def __init__(self) -> None:
        self._made: dict[int, Tensor] = {}

    def __call__(self, tensor: Tensor, dtype: torch.dtype) -> Tensor:
        made = self._made.get(id(tensor))
        return made if made is not None and made.dtype is dtype else tensor.to(dtype)

    def made_of(self, tensor: Tensor) -> Tensor | None:
        """The copy of it, where there is one."""
        return self._made.get(id(tensor))

    @contextmanager
    def made(self, tensors: Sequence[Tensor], dtype: torch.dtype) -> Iterator[None]:
        """With copies of `tensors`, all on one device, while it is open: one forward. Gradients reach the tensors themselves. Where
        they are recorded the copies stay until `forget`, since backward recomputes blocks with them."""
        before = dict(self._made)
        self._made.update(zip(map(id, tensors), _Together.apply(dtype, *tensors), strict=True))
        try:
            yield
        finally:
            if not torch.is_grad_enabled():
                self._made = before

    def forget(self) -> None:
        """After backward: the tensors are about to change."""
        self._made = {}


class _Together(torch.autograd.Function):
    @staticmethod
    def forward(ctx, dtype: torch.dtype, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        copies = _cast(tensors, dtype)
        # Else autograd would compute a gradient of each, and what is trained would hold on to the memory of all.
        ctx.mark_non_differentiable(*(copy for copy, own in zip(copies, tensors, strict=True) if not own.requires_grad))
        return copies

    @staticmethod
    def backward(ctx, *grads: Tensor | None):
        full = iter(_cast([grad for grad in grads if grad is not None], torch.float32))
        return None, *(None if grad is None else next(full) for grad in grads)


def _cast(tensors: Sequence[Tensor], dtype: torch.dtype) -> tuple[Tensor, ...]:
    """All of them as pieces of one block of memory: two calls from Python however many they are."""
    if not tensors:
        return ()
    block = tensors[0].new_empty(sum(tensor.numel() for tensor in tensors), dtype=dtype)
    pieces = _unflatten_dense_tensors(block, list(tensors))
    torch._foreach_copy_(pieces, list(tensors))  # pyright: ignore[reportPrivateImportUsage]
    return tuple(pieces)
