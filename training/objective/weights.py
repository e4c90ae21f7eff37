"""Weights by noise level: how much a sample's loss counts, given its SNR.

`c2` is the square of the native scale: native loss = c2 |D - x0|^2, so a weight w on |D - x0|^2 is w / c2 on the
native loss. c2 = SNR for epsilon, SNR + 1 for v, 1 / sigma^2 for flow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .target import native_scale, noise_fraction, signal_to_noise
from .timesteps import positive
from .widget import Widget, setting


@dataclass(frozen=True, kw_only=True, slots=True)
class AutoWeighting:
    """MinSNR(gamma=5) for epsilon and v models, none for flow; `resolve` replaces it when the model is known."""

    def problems(self) -> list[str]:
        return []


@dataclass(frozen=True, kw_only=True, slots=True)
class NoWeighting:
    """Every noise level counts as the native loss has it."""

    def problems(self) -> list[str]:
        return []

    def weight(self, sigma: Tensor, parametrisation: str) -> Tensor:
        return torch.ones_like(sigma)


@dataclass(frozen=True, kw_only=True, slots=True)
class MinSNR:
    """min(SNR, gamma) / c2 (arXiv:2303.09556, eq. 8): epsilon min(SNR, g) / SNR, v min(SNR, g) / (SNR + 1)."""

    gamma: float = setting(Widget("min_snr_gamma", 5.0, least=0.01, most=1000.0, step=0.5,
        tooltip="For weighting min_snr: 5 is the paper's value. Lower evens the noise levels out more; above 20 it does nothing."))

    def problems(self) -> list[str]:
        return positive("min_snr_gamma", self.gamma)

    def weight(self, sigma: Tensor, parametrisation: str) -> Tensor:
        snr = signal_to_noise(sigma, parametrisation)
        return snr.clamp(max=self.gamma) / native_scale(sigma, parametrisation) ** 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Debiased:
    """Debiased estimation (arXiv:2310.08442): epsilon 1 / sqrt(SNR), v 1 / (SNR + 1), SNR at most 1000; flow sigma.

    For v this is kohya's formula; OneTrainer takes the root of it.
    """

    def problems(self) -> list[str]:
        return []

    def weight(self, sigma: Tensor, parametrisation: str) -> Tensor:
        if parametrisation == "flow":
            return sigma
        snr = signal_to_noise(sigma, parametrisation).clamp(max=1000)
        return 1 / (snr + 1) if parametrisation == "v" else snr.rsqrt()


@dataclass(frozen=True, kw_only=True, slots=True)
class P2:
    """(1 + SNR)^-gamma (perception prioritised, arXiv:2204.00227, eq. 8 with k = 1)."""

    gamma: float = setting(Widget("p2_gamma", 1.0, least=0.01, most=10.0, step=0.1,
        tooltip="For weighting p2: 0.5 or 1. Higher pays less attention to fine detail."))

    def problems(self) -> list[str]:
        return positive("p2_gamma", self.gamma)

    def weight(self, sigma: Tensor, parametrisation: str) -> Tensor:
        return (1 + signal_to_noise(sigma, parametrisation)) ** -self.gamma


@dataclass(frozen=True, kw_only=True, slots=True)
class VPredLike:
    """1 + strength (SNR + 1) / SNR: adds the loss a v model would have had (kohya's `v_pred_like_loss`)."""

    strength: float = setting(Widget("v_pred_like_strength", 0.1, least=0.001, most=10.0, step=0.05,
        tooltip="For weighting v_pred_like on epsilon models: how much of a v-prediction loss is added. 0.1 is a start."))

    def problems(self) -> list[str]:
        return positive("v_pred_like_strength", self.strength)

    def weight(self, sigma: Tensor, parametrisation: str) -> Tensor:
        return 1 + self.strength * (1 + 1 / signal_to_noise(sigma, parametrisation))


@dataclass(frozen=True, kw_only=True, slots=True)
class NoisePredLike:
    """SNR / c2: the loss an epsilon model would have had (for v: SNR / (SNR + 1), kohya's
    `scale_v_pred_loss_like_noise_pred`)."""

    def problems(self) -> list[str]:
        return []

    def weight(self, sigma: Tensor, parametrisation: str) -> Tensor:
        return signal_to_noise(sigma, parametrisation) / native_scale(sigma, parametrisation) ** 2


@dataclass(frozen=True, kw_only=True, slots=True)
class CosMapWeighting:
    """2 / (pi (1 - 2f + 2f^2)), f the noise fraction (arXiv:2403.03206, eq. 21 as a weight): the middle counts most."""

    def problems(self) -> list[str]:
        return []

    def weight(self, sigma: Tensor, parametrisation: str) -> Tensor:
        f = noise_fraction(sigma, parametrisation)
        return 2 / (math.pi * (1 - 2 * f + 2 * f * f))


Weighting = AutoWeighting | NoWeighting | MinSNR | Debiased | P2 | VPredLike | NoisePredLike | CosMapWeighting
