"""Gradient norms, clipping and finite checks. All of it stands before the update."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from ..errors import NonFiniteError


def gradient_norm(parameters: Iterable[Tensor]) -> Tensor:
    """The Euclidean norm of all gradients together, fp32 (); parameters without a gradient do not count."""
    norms = [torch.linalg.vector_norm(p.grad, dtype=torch.float32) for p in parameters if p.grad is not None]
    if not norms:
        return torch.zeros(())
    return torch.linalg.vector_norm(torch.stack([norm.to(norms[0].device) for norm in norms]))


@torch.no_grad()
def clip_gradients(parameters: Sequence[Tensor], max_norm: float) -> Tensor:
    """Scale all gradients so that their norm is at most `max_norm` (0: leave them). The norm before clipping.

    A norm that is inf or NaN leaves the gradients untouched: the caller decides.
    """
    norm = gradient_norm(parameters)
    if max_norm > 0 and torch.isfinite(norm) and norm > max_norm:
        for parameter in parameters:
            if parameter.grad is not None:
                parameter.grad.mul_((max_norm / norm).to(parameter.grad.device))
    return norm


def require_finite_gradients(parameters: Iterable[tuple[str, Tensor]]) -> None:
    """Raises NonFiniteError that names the first parameters, as (name, parameter), whose gradient is not finite."""
    bad = [name for name, parameter in parameters if parameter.grad is not None and not bool(parameter.grad.isfinite().all())]
    if bad:
        more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
        raise NonFiniteError(
            f"the gradient of {', '.join(bad[:3])}{more} is not a finite number; nothing was updated. Lower the learning "
            "rate, or set precision to bf16 or fp32 on the Train LoRA node."
        )
