"""A frozen op whose backward fetches the weight again instead of keeping what the forward cast.

Autograd keeps the weight that an op multiplied by. When the base is stored narrower than it is computed in (fp8, fp16),
or lies in another memory, that is a fresh copy of every layer: 3.1 GiB for SD1.5 in fp16 computed in fp32. The base is
frozen, so only the gradient of the input is needed, and for that the weight can be cast once more.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from ..ops import Op
from . import fp8
from .in_place import lazy_clone

#: A weight's numbers (out, in) in fp8 and their scale (), for a backward that multiplies in fp8; None: it multiplies in full.
Fp8 = Callable[[], tuple[Tensor, Tensor] | None]
#: Open while the op computes with its weight: it may bring it from another memory ahead of time.
AtHand = Callable[[], AbstractContextManager]


class _Frozen(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx, x: Tensor, op: Op, run: Callable[[Tensor], Tensor], weight: Callable[[torch.dtype], Tensor], in_fp8: Fp8, at_hand: AtHand
    ) -> Tensor:
        ctx.fetching = op, weight, in_fp8, at_hand
        ctx.shape, ctx.dtype = x.shape, x.dtype
        # The host's own forward may write into its input (fp8 matmuls clamp it), which others hold too; and what it gives may
        # be a view, which autograd lets nobody write into.
        with at_hand():
            y = run(lazy_clone(x))
        return lazy_clone(y) if y._is_view() else y

    @staticmethod
    def backward(ctx, grad: Tensor):
        return gradient_of_input(grad, ctx.shape, *ctx.fetching).to(ctx.dtype), None, None, None, None, None


def gradient_of_input(
    grad: Tensor, shape: torch.Size, op: Op, weight: Callable[[torch.dtype], Tensor], in_fp8: Fp8, at_hand: AtHand
) -> Tensor:
    """That of x (`shape`) in `frozen_op(x, op, ...)`, from that of what came out, in its dtype."""
    with at_hand():
        held = in_fp8()
        if held is not None:
            return fp8.product(grad, *held)
        # The input's values are not needed for its own gradient; only its shape is looked at.
        shape_only = torch.empty((), dtype=grad.dtype, device=grad.device).expand(shape)
        grad_x, _ = op.gradients(grad, shape_only, weight(grad.dtype), of_x=True, of_weight=False)
        assert grad_x is not None
        return grad_x


def frozen_op(
    x: Tensor, op: Op, run: Callable[[Tensor], Tensor], weight: Callable[[torch.dtype], Tensor], in_fp8: Fp8 = lambda: None,
    at_hand: AtHand = nullcontext,
) -> Tensor:
    """op(x), differentiable in x only.

    `run(x)` computes the forward (its own casts and all); `weight(dtype)` gives the weight as it acted in that
    forward; `in_fp8()` gives it in fp8 where the gradient is to be multiplied so; `at_hand()` is open around each use of it.
    x (..., in) or (B, in, *space).
    """
    return _Frozen.apply(x, op, run, weight, in_fp8, at_hand)
