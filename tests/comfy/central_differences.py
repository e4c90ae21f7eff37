"""The gradient of the adapters against what is independent of autograd: central differences of the loss, in fp64.

Kernels, in-place writes and caches do nothing to a forward without autograd. Models whose kernels know no fp64 are held in fp32.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from pack.training.specs import DTYPES

DIRECTIONS = 3


@contextmanager
def everything_in(precision: str) -> Iterator[None]:
    """While open, a session may compute in fp64, and `.float()`, which ComfyUI says wherever it wants to be exact, keeps it."""
    if precision != "fp64":
        yield
        return
    single = torch.Tensor.float
    torch.Tensor.float, DTYPES["fp64"] = torch.Tensor.double, torch.float64
    try:
        yield
    finally:
        torch.Tensor.float = single
        del DTYPES["fp64"]


def worst_difference(loss: Callable[[], Tensor], parameters: Sequence[Tensor], *, step: float) -> float:
    """How far the gradient's slope is from the central difference in three random directions, relative to the steepest.

    A direction moves every parameter by `step` times its own norm, and by twice that: Richardson's extrapolation of the two takes the
    curvature out, so that a step may be long enough not to drown in rounding."""
    gradients = torch.autograd.grad(loss(), parameters, allow_unused=True)
    slopes = [_slopes(loss, parameters, gradients, seed, step) for seed in range(DIRECTIONS)]
    return max(abs(promised - found) for promised, found in slopes) / max(abs(found) for _, found in slopes)


@torch.no_grad()
def _slopes(loss, parameters: Sequence[Tensor], gradients: Sequence[Tensor | None], seed: int, step: float) -> tuple[float, float]:
    """By the gradient, and by the loss on both sides."""
    generator = torch.Generator().manual_seed(seed)
    along = [torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype) for parameter in parameters]
    along = [direction * parameter.norm() / direction.norm() for direction, parameter in zip(along, parameters, strict=True)]
    promised = sum(float((direction * gradient).sum())
                   for direction, gradient in zip(along, gradients, strict=True) if gradient is not None)
    before = [parameter.clone() for parameter in parameters]
    losses = {}
    for way in (1, -1, 2, -2):
        for parameter, start, direction in zip(parameters, before, along, strict=True):
            parameter.copy_(start + way * step * direction)
        losses[way] = float(loss())
    for parameter, start in zip(parameters, before, strict=True):
        parameter.copy_(start)
    near, far = ((losses[way] - losses[-way]) / (2 * way * step) for way in (1, 2))
    return promised, (4 * near - far) / 3
