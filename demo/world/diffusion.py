"""Stable Diffusion's noise: its 1,000 steps, the loss of a predicted noise, and a sampler for judging while training."""

from collections.abc import Callable

import torch
from torch import Tensor

STEPS = 1000
#: A step weighs no more than this in the loss. Without a limit the last steps, which hold next to no picture, would outweigh all.
MOST = 50.0

Predict = Callable[[Tensor, Tensor], Tensor]


def alphas() -> Tensor:
    """float64 [STEPS]: the share of the picture's variance left after each step."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, STEPS, dtype=torch.float64) ** 2
    return torch.cumprod(1 - betas, dim=0)


def steps_of(count: int, generator: torch.Generator) -> Tensor:
    """`count` steps, one from each of as many equal stretches of 0 to 999, in a random order."""
    places = (torch.randperm(count, generator=generator) + torch.rand(count, generator=generator)) / count
    return (places * STEPS).long().clamp(max=STEPS - 1)


def noised(latents: Tensor, noise: Tensor, left: Tensor) -> Tensor:
    """The latents [n, ...] at steps where `left` [n] of their variance is left."""
    left = left.reshape(-1, *[1] * (latents.dim() - 1))
    return left.sqrt() * latents + (1 - left).sqrt() * noise


def weights_of(left: Tensor) -> Tensor:
    """What an error of the noise weighs, so that it counts as the same error of v does: 1 / alpha, MOST at the most."""
    return (1 / left).clamp(max=MOST)


@torch.no_grad()
def sample(predict: Predict, start: Tensor, steps: int) -> Tensor:
    """Latents of the noise `start` [n, 4, h, w], as KSampler makes them by "euler" and "normal"; predict(x, t) knows text and cfg."""
    left = alphas().to(start.device)
    sigmas = ((1 - left) / left).sqrt()
    times = torch.linspace(STEPS - 1, 0, steps, device=start.device, dtype=torch.float64)
    low = times.floor().long()
    logs = sigmas.log()
    part = times - low
    path = ((1 - part) * logs[low] + part * logs[(low + 1).clamp(max=STEPS - 1)]).exp().float().tolist() + [0.0]
    x = start * (path[0] ** 2 + 1) ** 0.5
    for sigma, after, time in zip(path, path[1:], times.round().tolist()):
        t = torch.full((len(x),), time, device=x.device)
        noise = predict(x / (sigma**2 + 1) ** 0.5, t)
        x = x + noise * (after - sigma)
    return x
