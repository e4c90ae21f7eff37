"""What down and up of a LoRA start as. Every function is a pure function of its seed or generator."""

from __future__ import annotations

import math

import torch
from torch import Tensor

DEFAULT = "default"
ORTHOGONAL = "orthogonal"
PISSA = "pissa"

#: Below this many times the rank, a full decomposition costs no more than an approximate one.
_EXACT_BELOW = 8
_POWER_ITERATIONS = 8


def kaiming(down: Tensor, generator: torch.Generator) -> None:
    """Fill `down` (rank, in, *kernel) as torch does for a layer: uniform in +-1/sqrt(fan in), kaiming with a = sqrt 5."""
    bound = 1 / math.sqrt(math.prod(down.shape[1:]))
    down.uniform_(-bound, bound, generator=generator)


def orthogonal_pair(down_shape: tuple[int, ...], up_shape: tuple[int, ...], generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """(down, up), both far from zero, with up @ down = 0: the change starts as none, and both sides learn at once.

    With orthonormal Q (rank, rank), down = Q_even^T G / 10 and up = H Q_odd / 10 for Gaussian G and H: the rows of Q
    that the two use are perpendicular. `rank` must be even (peft's init_lora_weights='orthogonal').
    """
    rank, fan_in, out = down_shape[0], math.prod(down_shape[1:]), up_shape[0]
    q, _ = torch.linalg.qr(torch.randn(rank, rank, generator=generator, dtype=torch.float64))
    g = torch.randn(rank // 2, fan_in, generator=generator, dtype=torch.float64)
    h = torch.randn(out, rank // 2, generator=generator, dtype=torch.float64)
    down, up = q[0::2].t() @ g / 10, h @ q[1::2] / 10
    return down.float().view(down_shape), up.float().view(up_shape)


def principal_pair(weight: Tensor, rank: int, scale: float, seed: int) -> tuple[Tensor, Tensor]:
    """(down (rank, fan in), up (out, rank)) with scale * up @ down = the best rank-`rank` part of `weight`.

    PiSSA, Meng et al. 2024, eq. 2-3: W = U S V^T; up = U_r S_r^(1/2), down = S_r^(1/2) V_r^T, here divided by
    sqrt(scale). Large weights are decomposed approximately (Halko et al. 2011): what is subtracted later is exactly
    what was started from, so this costs no accuracy.
    """
    matrix = weight.flatten(1).float()
    if min(matrix.shape) <= _EXACT_BELOW * rank:
        u, s, vh = torch.linalg.svd(matrix, full_matrices=False)
        u, s, v = u[:, :rank], s[:rank], vh[:rank].t()
    else:
        with torch.random.fork_rng([matrix.device] if matrix.device.type == "cuda" else []):
            torch.manual_seed(seed)
            u, s, v = torch.svd_lowrank(matrix, q=2 * rank, niter=_POWER_ITERATIONS)
        u, s, v = u[:, :rank], s[:rank], v[:, :rank]
    root = (s / scale).sqrt()
    down, up = root[:, None] * v.t(), u * root
    missing = rank - down.shape[0]
    return torch.nn.functional.pad(down, (0, 0, 0, missing)), torch.nn.functional.pad(up, (0, missing))
