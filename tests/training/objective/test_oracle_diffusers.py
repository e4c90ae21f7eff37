"""The same numbers from diffusers, an implementation that shares no line with ours."""

import pytest
import torch
from diffusers import DDPMScheduler, FlowMatchEulerDiscreteScheduler
from diffusers.training_utils import compute_loss_weighting_for_sd3, compute_snr

from pack.training.objective.objective import Objective
from pack.training.objective.spec import ObjectiveSpec, default_for
from pack.training.objective.target import signal_to_noise
from pack.training.objective.timesteps import FluxShift, Given, Sigmoid
from pack.training.objective.weights import CosMapWeighting

from .fakes import FakeDenoiser, sd_sigmas

STEPS = torch.tensor([0, 99, 500, 999])


def scheduler(prediction_type: str) -> DDPMScheduler:
    return DDPMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type=prediction_type, clip_sample=False
    )


def test_snr():
    torch.testing.assert_close(signal_to_noise(sd_sigmas()[STEPS], "epsilon"), compute_snr(scheduler("epsilon"), STEPS), rtol=1e-4, atol=0)


@pytest.mark.parametrize("parametrisation", ["epsilon", "v"])
def test_min_snr_loss_as_diffusers_scripts_compute_it(parametrisation):
    """train_text_to_image: mse per sample x min(snr, 5) / snr (epsilon) or / (snr + 1) (v)."""
    ddpm = scheduler("epsilon" if parametrisation == "epsilon" else "v_prediction")
    objective = Objective(default_for(parametrisation), FakeDenoiser(parametrisation))
    generator = torch.Generator().manual_seed(0)
    x0, prediction = torch.randn(2, 4, 4, 8, 8, generator=generator)
    noising = objective.noise_at(x0, (STEPS.double() / 1000).tolist(), [1, 2, 3, 4])
    sigma = noising.sigma.view(-1, 1, 1, 1)

    noisy = ddpm.add_noise(x0, noising.noise, STEPS)
    torch.testing.assert_close(noising.x_t / (1 + sigma**2).sqrt(), noisy, rtol=1e-4, atol=1e-5)
    target = noising.noise if parametrisation == "epsilon" else ddpm.get_velocity(x0, noising.noise, STEPS)
    snr = compute_snr(ddpm, STEPS)
    weight = snr.clamp(max=5) / (snr if parametrisation == "epsilon" else snr + 1)
    expected = ((prediction - target) ** 2).flatten(1).mean(1) * weight

    denoised = torch.cat(
        [ddpm.step(prediction[i : i + 1], t, noisy[i : i + 1]).pred_original_sample for i, t in enumerate(STEPS)]
    )
    torch.testing.assert_close(objective.losses(denoised, x0, noising), expected, rtol=1e-3, atol=0)


def test_flux_shift_is_the_schedulers_dynamic_shift():
    flow = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
    u = torch.tensor([0.1, 0.4, 0.9], dtype=torch.float64)
    given = Given(tokens=2304, sigmas=torch.ones(1))
    mu = 0.5 + (2304 - 256) * (1.15 - 0.5) / (4096 - 256)
    expected = flow.time_shift(mu, 1.0, Sigmoid().quantile(u, given))
    torch.testing.assert_close(FluxShift().quantile(u, given), expected)


def test_cosmap_weighting():
    sigma = torch.tensor([0.1, 0.5, 0.8])
    torch.testing.assert_close(CosMapWeighting().weight(sigma, "flow"), compute_loss_weighting_for_sd3("cosmap", sigma))


def test_flow_loss_is_mse_to_noise_minus_picture():
    objective = Objective(ObjectiveSpec(), FakeDenoiser("flow"))
    x0, prediction = torch.randn(2, 2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    noising = objective.noise(x0, [1, 2])
    denoised = noising.x_t - noising.sigma.view(-1, 1, 1, 1) * prediction
    expected = ((prediction - (noising.noise - x0)) ** 2).flatten(1).mean(1)
    torch.testing.assert_close(objective.losses(denoised, x0, noising), expected, rtol=1e-4, atol=0)
