"""A denoiser of ten lines for each parametrisation, with SD's noise table."""

from __future__ import annotations

import torch


def sd_sigmas() -> torch.Tensor:
    """Stable Diffusion's table: scaled-linear betas, .00085 to .012, 1000 steps."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    alphas_bar = torch.cumprod(1 - betas, 0)
    return ((1 - alphas_bar) / alphas_bar).sqrt().float()


class FakeDenoiser:
    """Adds noise as ComfyUI does; denoising is up to the test."""

    family = "fake"
    device = torch.device("cpu")
    patch = 2
    own_shift = None

    def __init__(self, parametrisation: str, sigmas: torch.Tensor | None = None):
        self.parametrisation = parametrisation
        flow = (torch.arange(1, 1001) / 1000).float()
        self._sigmas = sigmas if sigmas is not None else flow if parametrisation == "flow" else sd_sigmas()

    def sigmas(self) -> torch.Tensor:
        return self._sigmas

    def from_sampler(self, sigmas):
        return sigmas

    def add_noise(self, x0, noise, sigma):
        sigma = sigma.view(-1, *[1] * (x0.ndim - 1))
        return (1 - sigma) * x0 + sigma * noise if self.parametrisation == "flow" else x0 + sigma * noise
