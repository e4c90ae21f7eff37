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
    sqrt(scale). Large weights are decomposed approximately: what is subtracted later is exactly what was started from, so
    this costs no accuracy. What is random in it is drawn on the CPU, wherever the weight lies.
    """
    matrix = weight.flatten(1).float()
    if min(matrix.shape) <= _EXACT_BELOW * rank:
        u, s, vh = torch.linalg.svd(matrix, full_matrices=False)
        u, s, v = u[:, :rank], s[:rank], vh[:rank].t()
    else:
        u, s, v = (part[..., :rank] for part in _largest_directions(matrix, 2 * rank, torch.Generator().manual_seed(seed)))
    root = (s / scale).sqrt()
    down, up = root[:, None] * v.t(), u * root
    missing = rank - down.shape[0]
    return torch.nn.functional.pad(down, (0, 0, 0, missing)), torch.nn.functional.pad(up, (0, missing))


def _largest_directions(matrix: Tensor, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """(u (m, count), s (count,), v (n, count)) of `matrix` (m, n), approximately: what a few random vectors become when the matrix is
    applied again and again spans its largest directions (Halko et al. 2011, algorithms 4.4 and 5.1)."""
    if matrix.shape[0] < matrix.shape[1]:
        v, s, u = _largest_directions(matrix.t(), count, generator)
        return u, s, v
    vectors = torch.randn(matrix.shape[1], count, generator=generator).to(matrix)
    basis = torch.linalg.qr(matrix @ vectors).Q
    for _ in range(_POWER_ITERATIONS):
        basis = torch.linalg.qr(matrix @ torch.linalg.qr(matrix.t() @ basis).Q).Q
    u, s, vh = torch.linalg.svd(basis.t() @ matrix, full_matrices=False)
    return basis @ u, s, vh.t()
