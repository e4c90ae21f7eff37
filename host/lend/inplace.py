"""`x += y` without writing into x, for as long as autograd watches.

ComfyUI's FLUX blocks and text encoders add their residuals in place. A norm before them has kept x for backward, so
its gradient would be computed from the overwritten values: autograd refuses it, and inside recomputed blocks, where
it cannot see it, the gradient is silently wrong (measured on CLIP-L: off by up to 8 %). In Python `x += y` rebinds x to
what `__iadd__` returns, so returning a new tensor changes nothing but the memory, which backward needs anyway.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

_in_place = torch.Tensor.__iadd__


def _add(self: torch.Tensor, other):
    if not torch.is_grad_enabled():
        return _in_place(self, other)
    added = self + other
    return added if added.dtype == self.dtype else added.to(self.dtype)


@contextmanager
def out_of_place() -> Iterator[None]:
    """While open, `+=` on tensors makes a new tensor wherever gradients are on; shape and dtype are as in place."""
    before = vars(torch.Tensor).get("__iadd__")
    torch.Tensor.__iadd__ = _add
    try:
        yield
    finally:
        if before is None:
            del torch.Tensor.__iadd__
        else:
            torch.Tensor.__iadd__ = before
