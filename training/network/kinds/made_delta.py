"""op(x, dW) for a dW that is made from few numbers: it exists while it is multiplied, and is made again in backward.

For kinds whose change has no cheaper form than the whole matrix. Autograd alone would keep every layer's dW.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ...ops import Op


class _MadeDelta(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, op: Op, make: Callable[[], Tensor], *parameters: Tensor) -> Tensor:
        ctx.op, ctx.make, ctx.parameters = op, make, parameters
        ctx.save_for_backward(x)
        return op.run(x, make().to(x.dtype))

    @staticmethod
    def backward(ctx, grad: Tensor):
        (x,) = ctx.saved_tensors
        with torch.enable_grad():
            delta = ctx.make()
        grad_x, grad_delta = ctx.op.gradients(grad, x, delta.detach().to(x.dtype), of_x=ctx.needs_input_grad[0], of_weight=True)
        trained = [p for p, needed in zip(ctx.parameters, ctx.needs_input_grad[3:], strict=True) if needed]
        grads = iter(torch.autograd.grad(delta, trained, grad_delta.to(delta.dtype)) if trained else ())
        return grad_x, None, None, *(next(grads) if needed else None for needed in ctx.needs_input_grad[3:])


def made_delta(x: Tensor, op: Op, make: Callable[[], Tensor], parameters: Sequence[Tensor]) -> Tensor:
    """op(x, make()) without bias: x (..., in) or (B, in, *space). `make` computes dW, in the weight's shape, from
    `parameters`, and must give the same again."""
    return _MadeDelta.apply(x, op, make, *parameters)
