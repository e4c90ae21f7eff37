"""Whether a tape is that of another micro-step too, and whether a replay gives what the plain step gave."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..optim.numerics import total_norm
from .tape import Tape

EXACT, CLOSE = 1e-6, 2e-3
"""How far a replay may be off, relative to all of it: on a CPU, and on cards, whose kernels may sum in any order."""


def difference(one: Tape, other: Tape) -> str | None:
    """What differs between two recordings of the same kind of step; None where one can stand for the other."""
    if len(one.calls) != len(other.calls):
        return "takes another way in each step"
    for mine, theirs in zip(one.calls, other.calls, strict=True):
        if (mine.func, mine.made, mine.written) != (theirs.func, theirs.made, theirs.written):
            return "takes another way in each step"
        if not _is_same((mine.args, mine.kwargs), (theirs.args, theirs.kwargs)):
            return f"computes with numbers of Python's that differ from step to step ({mine.func})"
    if one.inputs != other.inputs or one.results != other.results or one.fixed.keys() != other.fixed.keys():
        return "takes another way in each step"
    if not all(_is_same(tensor, other.fixed[number]) for number, tensor in one.fixed.items()):
        return "computes with tensors that are made anew in each step"
    return None


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor):
        return one is other or (_kind(one) == _kind(other) and torch.equal(one, other))
    if isinstance(one, (list, tuple)):
        return type(one) is type(other) and len(one) == len(other) and all(map(_is_same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_is_same(one[name], other[name]) for name in one)
    return type(one) is type(other) and (one == other or one != one and other != other)


def _kind(tensor: Tensor) -> tuple:
    return tensor.shape, tensor.dtype, tensor.device


def distance(results: Sequence[Tensor | None], wanted: Sequence[Tensor | None]) -> float | None:
    """How far the results are off, relative to the norm of all that is wanted: 0 where every bit is the same, infinite where one is there
    and the other is not, or not a number. None where what is wanted is no finite number."""
    if [one is None for one in results] != [one is None for one in wanted]:
        return float("inf")
    mine, theirs = ([one.detach().float() for one in every if one is not None] for every in (results, wanted))
    size = float(total_norm(theirs))
    off = float(total_norm(one - other for one, other in zip(mine, theirs, strict=True)))
    if not math.isfinite(size):
        return None
    if not math.isfinite(off):
        return float("inf")
    return off / size if size else off
