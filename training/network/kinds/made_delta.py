"""op(x, dW) for a dW that is made from few numbers: it exists while it is multiplied, and is made again in backward.

For kinds whose change has no cheaper form than the whole matrix. Autograd alone would keep every layer's dW.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ...ops import Op

_OPS = {"conv1d": F.conv1d, "conv2d": F.conv2d, "conv3d": F.conv3d}


class _MadeDelta(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, op: Op, make: Callable[[], Tensor], *parameters: Tensor) -> Tensor:
        ctx.op, ctx.make, ctx.parameters = op, make, parameters
        ctx.save_for_backward(x)
        return _run(op, x, make().to(x.dtype))

    @staticmethod
    def backward(ctx, grad: Tensor):
        (x,) = ctx.saved_tensors
        with torch.enable_grad():
            delta = ctx.make()
        used = delta.detach().to(x.dtype)
        grad_x, grad_delta = _gradients(ctx.op, x, used, grad, ctx.needs_input_grad[0])
        trained = [p for p, needed in zip(ctx.parameters, ctx.needs_input_grad[3:], strict=True) if needed]
        grads = iter(torch.autograd.grad(delta, trained, grad_delta.to(delta.dtype)) if trained else ())
        return grad_x, None, None, *(next(grads) if needed else None for needed in ctx.needs_input_grad[3:])


def made_delta(x: Tensor, op: Op, make: Callable[[], Tensor], parameters: Sequence[Tensor]) -> Tensor:
    """op(x, make()) without bias: x (..., in) or (B, in, *space). `make` computes dW, in the weight's shape, from
    `parameters`, and must give the same again."""
    return _MadeDelta.apply(x, op, make, *parameters)


def _run(op: Op, x: Tensor, weight: Tensor) -> Tensor:
    if op.is_linear:
        return F.linear(x, weight)
    return _OPS[op.kind](x, weight, None, op.stride, op.padding, op.dilation)


def _gradients(op: Op, x: Tensor, weight: Tensor, grad: Tensor, of_x: bool) -> tuple[Tensor | None, Tensor]:
    """(gradient of x, or None unless `of_x`; gradient of the weight)."""
    if op.is_linear:
        flat = grad.reshape(-1, grad.shape[-1])
        return (grad @ weight if of_x else None), flat.t() @ x.reshape(-1, x.shape[-1])
    grad_x, grad_weight, _ = torch.ops.aten.convolution_backward(
        grad, x, weight, None, op.stride, op.padding, op.dilation, False, [0] * len(op.kernel), 1, [of_x, True, False]
    )
    return grad_x, grad_weight
