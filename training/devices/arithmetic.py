"""Products in full where a run says fp32: the user's own settings come back afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

#: Of torch's libraries, what each has a switch for in newer versions.
_OPERATIONS = {"cuda": ("matmul",), "cudnn": ("conv", "rnn"), "mkldnn": ("matmul", "conv", "rnn")}


@contextmanager
def full_products() -> Iterator[None]:
    """While open, fp32 is multiplied as fp32. Cards else round what goes into a convolution to 10 bits (TF32), and into other products
    where the user asked for that; a small SD1.5's gradients are 1.8e-3 off with it and 3e-6 without (H200)."""
    switches = _switches()
    before = [getattr(holder, name) for holder, name, _ in switches]
    try:
        for holder, name, value in switches:
            setattr(holder, name, value)
        yield
    finally:
        for (holder, name, _), value in zip(switches, before, strict=True):
            setattr(holder, name, value)


def _switches() -> list[tuple[Any, str, Any]]:
    """(holder, attribute, value). Older versions know one switch a library; where there are newer ones, the two must not be mixed."""
    backends: Any = torch.backends
    if not hasattr(backends.cuda.matmul, "fp32_precision"):
        return [(backends.cuda.matmul, "allow_tf32", False), (backends.cudnn, "allow_tf32", False)]
    libraries = {"cuda": backends.cuda, "cudnn": backends.cudnn, "mkldnn": backends.mkldnn}
    return [(getattr(libraries[library], name), "fp32_precision", "ieee") for library, names in _OPERATIONS.items() for name in names]
