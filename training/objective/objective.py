"""Objective: the training objective as the loop uses it, for one model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from ..devices.upload import uploaded
from ..errors import SettingsError
from ..protocols import Denoiser
from ..seeds import mix_seed
from .mask import masked_means
from .noise import NoiseSpec, draw_noise, uniform
from .sampled import SampledSigmas, Steps, steps_of
from .spec import WHERE, ObjectiveSpec, resolve
from .target import native_scale, noise_fraction, per_sample, perturbed_target, snap
from .timesteps import AutoTimesteps, Given, stratify
from .weights import AutoWeighting

TERMINAL_SIGMA = 1000.0
"""ComfyUI's zero-terminal-SNR table ends at 4519, ordinary tables at 14.6."""


@dataclass(frozen=True, kw_only=True)
class Noising:
    """How a batch was made noisy.

    sigma         (B,) noise level, fp32
    position      (B,) in [0, 1): timestep / 1000, or flow's sigma
    noise         like x0: the noise of the target
    x_t           like x0: what the model sees
    perturbation  like x0: extra noise in x_t that the target does not have, or None
    unmasked      (B,) bool: samples whose mask is ignored this time, or None
    """

    sigma: Tensor
    position: Tensor
    noise: Tensor
    x_t: Tensor
    perturbation: Tensor | None = None
    unmasked: Tensor | None = None


class Objective:
    """`spec` is what the node said; `self.spec` has its automatic choices made for this model."""

    def __init__(self, spec: ObjectiveSpec, denoiser: Denoiser):
        self.spec = resolve(spec, denoiser.parametrisation, denoiser.own_shift)
        self._denoiser = denoiser
        self._parametrisation = denoiser.parametrisation
        self._sigmas = denoiser.sigmas().detach().float().cpu()
        timesteps, weighting = self.spec.timesteps, self.spec.weighting
        if isinstance(timesteps, SampledSigmas):
            levels = denoiser.from_sampler(torch.tensor(timesteps.sigmas, dtype=torch.float64))
            timesteps = steps_of(levels, self._parametrisation, self._sigmas)
        assert not isinstance(timesteps, AutoTimesteps) and not isinstance(weighting, AutoWeighting)
        self._timesteps, self._weighting = timesteps, weighting
        if self.spec.zero_terminal_snr:
            _require_zero_terminal_snr(self._parametrisation, float(self._sigmas[-1]))

    def noise(
        self, x0: Tensor, seeds: Sequence[int], strata: Sequence[tuple[int, int]] | None = None
    ) -> Noising:
        """Noise x0 (B, C, ..., H, W). All randomness of item i comes from seeds[i] alone.

        `strata[i]` is the (k, K) of item i: the k-th of K items of one update; used when the spec is stratified.
        """
        patch = self._denoiser.patch
        given = Given(tokens=(x0.shape[-2] // patch) * (x0.shape[-1] // patch), sigmas=self._sigmas)
        generators = [_generator(seed) for seed in seeds]
        u = torch.tensor([uniform(generator) for generator in generators], dtype=torch.float64)
        if self.spec.stratified and strata is not None:
            u = torch.stack([stratify(u[i], stratum) for i, stratum in enumerate(strata)])
        position = self.spec.window.apply(self._timesteps.quantile(u, given))
        return self._noise(x0, position, generators, self.spec.noise)

    def noise_at(self, x0: Tensor, positions: Sequence[float], seeds: Sequence[int]) -> Noising:
        """Plain noise at chosen positions in [0, 1), for validation: it depends on the seeds alone, not on the spec."""
        generators = [_generator(seed) for seed in seeds]
        for generator in generators:
            uniform(generator)
        return self._noise(x0, torch.tensor(positions, dtype=torch.float64), generators, NoiseSpec())

    def noise_at_steps(self, x0: Tensor, seeds: Sequence[int]) -> Noising:
        """Plain noise at levels where a step of the connected sigmas begins, each equally often; a function of the seeds."""
        assert isinstance(self._timesteps, Steps), "the spec asks for sigmas"
        begins = self._timesteps.bounds[1:]
        drawn = [uniform(_generator(mix_seed("step", seed))) for seed in seeds]
        return self.noise_at(x0, [begins[int(u * len(begins))] for u in drawn], seeds)

    def _noise(self, x0: Tensor, position: Tensor, generators: list[Generator], spec: NoiseSpec) -> Noising:
        if len(generators) != len(x0):
            raise ValueError(f"{len(x0)} samples need as many seeds, got {len(generators)}")
        position, sigma = snap(position, self._parametrisation, self._sigmas)
        device = x0.device
        sigma = uploaded(sigma.float(), device)
        drawn = [draw_noise(item, spec, generator) for item, generator in zip(x0, generators, strict=True)]
        noise = uploaded(torch.stack([noise for noise, _ in drawn]), device).to(x0)
        extra = [perturbation for _, perturbation in drawn if perturbation is not None]
        perturbation = uploaded(torch.stack(extra), device).to(x0) if extra else None
        seen = noise if perturbation is None else noise + perturbation
        chance = self.spec.masked_loss.unmasked_probability
        unmasked = uploaded(torch.tensor([uniform(generator) < chance for generator in generators]), device) if chance else None
        return Noising(
            sigma=sigma,
            position=uploaded(position.float(), device),
            noise=noise,
            x_t=self._denoiser.add_noise(x0, seen, sigma),
            perturbation=perturbation,
            unmasked=unmasked,
        )

    def losses(
        self,
        denoised: Tensor,
        x0: Tensor,
        noising: Noising,
        mask: Tensor | None = None,
        weights: Tensor | None = None,
    ) -> Tensor:
        """One fp32 number a sample (B,): the mean loss on the native error, weighted by noise level and `weights` (B,).

        `mask` is (B, 1, H, W) in 0..1 at latent size.
        """
        target = self._target(x0, noising)
        means = masked_means(self._elementwise(denoised, target, noising), mask, self.spec.masked_loss, noising.unmasked)
        return self._weighted(means, noising, weights)

    def preservation_losses(
        self,
        denoised: Tensor,
        base_denoised: Tensor,
        noising: Noising,
        mask: Tensor | None = None,
        weights: Tensor | None = None,
    ) -> Tensor:
        """The same loss (B,) between the model with its adapter and without it, at the same x_t and condition.

        With `mask`, only what lies outside it counts. Times the spec's preservation weight.
        """
        if self.spec.preservation is None:
            raise ValueError("this objective preserves nothing; ask spec.preservation first")
        elementwise = self._elementwise(denoised, base_denoised.detach(), noising)
        if mask is not None:
            elementwise = elementwise * (1 - mask.to(elementwise)).reshape(
                mask.shape[0], *[1] * (elementwise.ndim - 3), *mask.shape[-2:]
            )
        return self._weighted(elementwise.flatten(1).mean(1), noising, weights) * self.spec.preservation.weight

    def validation_losses(self, denoised: Tensor, x0: Tensor, noising: Noising) -> Tensor:
        """The plain native loss (B,): squared, unweighted, so that runs with different objectives compare."""
        error = self._error(denoised, self._target(x0, noising), noising)
        return (error * error).flatten(1).mean(1)

    def sample_weight(self, weight: float, is_regularisation: bool) -> float:
        """What a picture's loss is multiplied by, for `weights` of `losses`."""
        return weight * (self.spec.prior_weight if is_regularisation else 1.0)

    def _target(self, x0: Tensor, noising: Noising) -> Tensor:
        if noising.perturbation is None:
            return x0
        sigma = per_sample(noising.sigma, x0)
        return perturbed_target(x0.float(), noising.perturbation.float(), sigma, self._parametrisation)

    def _error(self, denoised: Tensor, target: Tensor, noising: Noising) -> Tensor:
        scale = native_scale(noising.sigma, self._parametrisation)
        return per_sample(scale, denoised) * (denoised.float() - target.float())

    def _elementwise(self, denoised: Tensor, target: Tensor, noising: Noising) -> Tensor:
        error = self._error(denoised, target, noising)
        fraction = noise_fraction(noising.sigma, self._parametrisation)
        return self.spec.loss.elementwise(error, per_sample(noising.position, error), per_sample(fraction, error))

    def _weighted(self, means: Tensor, noising: Noising, weights: Tensor | None) -> Tensor:
        means = means * self._weighting.weight(noising.sigma, self._parametrisation).to(means)
        return means if weights is None else means * weights.to(means)


def _generator(seed: int) -> Generator:
    return Generator("cpu").manual_seed(seed)


def _require_zero_terminal_snr(parametrisation: str, largest_sigma: float) -> None:
    if parametrisation == "v" and largest_sigma >= TERMINAL_SIGMA:
        return
    if parametrisation != "v":
        problem = f"zero_terminal_snr needs a v-prediction model, but this one predicts {parametrisation}. Switch it off."
    else:
        problem = (
            f"zero_terminal_snr is on, but the model's noisiest step has sigma {largest_sigma:.1f}, which is not pure "
            "noise. Put a ModelSamplingDiscrete node with zsnr switched on between the loader and Train LoRA."
        )
    raise SettingsError(WHERE, [problem])
