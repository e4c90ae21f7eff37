"""Noise level, SNR and native error of the three parametrisations, all as functions of ComfyUI's sigma.

epsilon and v:  x_t = x0 + sigma noise            (variance exploding; sigma^2 = (1 - abar) / abar)
flow:           x_t = (1 - sigma) x0 + sigma noise

With D the model's estimate of x0, prediction - target of the native loss is, up to sign, c(sigma) (D - x0).
"""

from __future__ import annotations

from torch import Tensor

from ..errors import ModelError
from ..registry import near_names

PARAMETRISATIONS = ("epsilon", "v", "flow")

SMALLEST_FLOW_SIGMA = 1e-4
"""D - x0 is of order sigma and divided by it again: below this fp32 rounding exceeds a thousandth of the error."""


def check_parametrisation(parametrisation: str) -> None:
    """Raises ModelError for a model whose native loss is not known."""
    if parametrisation not in PARAMETRISATIONS:
        raise ModelError(
            "Train LoRA",
            [
                f"the model predicts '{parametrisation}', which has no known training objective. "
                f"{near_names(parametrisation, list(PARAMETRISATIONS))} Use a model of one of these kinds."
            ],
        )


def snap(position: Tensor, parametrisation: str, sigmas: Tensor) -> tuple[Tensor, Tensor]:
    """Positions (B,) in [0, 1] -> (position, sigma), both (B,): what the model can really be asked for.

    Discrete models: t = floor(position N), sigma = sigmas[t], position = t / N. Flow: sigma = position, kept off 0.
    """
    if parametrisation == "flow":
        position = position.clamp(SMALLEST_FLOW_SIGMA, 1 - SMALLEST_FLOW_SIGMA)
        return position, position
    count = len(sigmas)
    # 29 / 1000 * 1000 is a little below 29.
    step = (position * count + 1e-6).long().clamp(0, count - 1)
    return step.to(position.dtype) / count, sigmas.to(position.device)[step]


def native_scale(sigma: Tensor, parametrisation: str) -> Tensor:
    """c(sigma): 1 / sigma for epsilon and flow, sqrt(sigma^2 + 1) / sigma for v."""
    if parametrisation == "v":
        return (sigma**2 + 1).sqrt() / sigma
    return 1 / sigma


def signal_to_noise(sigma: Tensor, parametrisation: str) -> Tensor:
    """SNR = abar / (1 - abar) = 1 / sigma^2; for flow ((1 - sigma) / sigma)^2."""
    if parametrisation == "flow":
        return ((1 - sigma) / sigma) ** 2
    return 1 / sigma**2


def noise_fraction(sigma: Tensor, parametrisation: str) -> Tensor:
    """The share of noise in the mix, in (0, 1): sigma for flow, sigma / (1 + sigma) for the others.

    Equal for equal SNR, so a formula written in it means the same on every model.
    """
    return sigma if parametrisation == "flow" else sigma / (1 + sigma)


def perturbed_target(x0: Tensor, perturbation: Tensor, sigma: Tensor, parametrisation: str) -> Tensor:
    """The estimate of x0 that equals the native target when x_t was made with noise + perturbation.

    Input perturbation (arXiv:2301.11706) leaves the target (noise, v or noise - x0) untouched; written as an
    estimate of x0 it moves by sigma * perturbation (epsilon, flow) or that over sigma^2 + 1 (v).
    `sigma` broadcasts against x0.
    """
    moved = sigma * perturbation
    return x0 + (moved / (sigma**2 + 1) if parametrisation == "v" else moved)


def per_sample(values: Tensor, like: Tensor) -> Tensor:
    """(B,) -> (B, 1, ...) with as many axes as `like`, on its device."""
    return values.to(like.device).view(-1, *[1] * (like.ndim - 1))
