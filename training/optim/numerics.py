"""Norms, clipping and finite checks. Nothing here makes the host wait for the device, but what names the tensors that are not finite.

Over thousands of small tensors a card does each of these in a few launches, not in one a tensor (torch's `_foreach` functions)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from ..errors import NonFiniteError


@torch.no_grad()
def total_norm(tensors: Iterable[Tensor]) -> Tensor:
    """The Euclidean norm of all of them together, fp32 (): finite if, and only if, they are (below 1e19)."""
    norms = [norm for near in by_device(tensors) for norm in torch._foreach_norm([tensor.float() for tensor in near])]  # pyright: ignore[reportPrivateImportUsage]
    if not norms:
        return torch.zeros(())
    return torch.linalg.vector_norm(torch.stack([norm.to(norms[0].device) for norm in norms]))


def by_device(tensors: Iterable[Tensor]) -> Iterator[list[Tensor]]:
    """Those of each device together."""
    found: dict[torch.device, list[Tensor]] = {}
    for tensor in tensors:
        found.setdefault(tensor.device, []).append(tensor)
    yield from found.values()


def gradient_norm(parameters: Iterable[Tensor]) -> Tensor:
    """The norm of all gradients together, fp32 (); parameters without a gradient do not count."""
    return total_norm(p.grad for p in parameters if p.grad is not None)


@torch.no_grad()
def clip_gradients(parameters: Sequence[Tensor], max_norm: float) -> Tensor:
    """Scale all gradients so that their norm is at most `max_norm` (0: leave them). The norm before clipping.

    A norm that is inf or NaN leaves the gradients untouched: the caller decides.
    """
    norm = gradient_norm(parameters)
    if max_norm > 0:
        factor = torch.where((norm > max_norm) & norm.isfinite(), max_norm / norm, 1.0)
        for near in by_device(p.grad for p in parameters if p.grad is not None):
            torch._foreach_mul_(near, factor.to(near[0].device))  # pyright: ignore[reportPrivateImportUsage]
    return norm


def require_finite_gradients(parameters: Iterable[tuple[str, Tensor]]) -> None:
    """Raises NonFiniteError that names the first parameters, as (name, parameter), whose gradient is not finite."""
    bad = not_finite((name, parameter.grad) for name, parameter in parameters if parameter.grad is not None)
    if bad:
        raise NonFiniteError(
            f"the gradient of {first_of(bad)} is not a finite number; nothing was updated. Lower the learning "
            "rate, or set precision to bf16 or fp32 on the Train LoRA node."
        )


def not_finite(tensors: Iterable[tuple[str, Tensor]]) -> list[str]:
    """The names of those that hold an infinity or a NaN."""
    return [name for name, tensor in tensors if tensor.is_floating_point() and not bool(tensor.isfinite().all())]


def first_of(names: Sequence[str]) -> str:
    """At most three of them, and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
