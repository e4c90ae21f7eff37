"""Models that ComfyUI samples in other units are trained on their own loss: against what the model itself put out."""

import pytest
import torch

from pack.tests.comfy import tiny_models
from pack.tests.comfy.family_walk import condition
from pack.tests.comfy.tiny_models import TRAINED
from pack.training.objective.objective import Objective
from pack.training.objective.spec import ObjectiveSpec

TINY = {tiny.name: tiny for tiny in TRAINED}


@pytest.fixture
def native(comfy):
    """(losses as the engine has them, the model's raw output, raw latents, noise, sigma in ComfyUI's units)."""

    def run(name: str):
        from pack.host.session import Session

        tiny = TINY[name]
        if not tiny_models.is_known(comfy, tiny):
            pytest.skip(f"this ComfyUI has no {tiny.kind}")
        patcher = tiny_models.patcher(comfy, tiny)
        session = Session(patcher, precision="fp32")
        raw = patcher.model.process_latent_in(torch.randn(2, *tiny.latent, generator=torch.Generator().manual_seed(1)))
        x0 = session.denoiser._space.clean(raw)
        objective = Objective(ObjectiveSpec(), session.denoiser)
        noising = objective.noise(x0, [3, 4])
        seen = []
        hook = patcher.model.diffusion_model.register_forward_hook(lambda module, given, output: seen.append(output))
        with session.training(), torch.no_grad():
            denoised = session.denoiser.denoise(noising.x_t, noising.sigma, [condition(tiny, 1), condition(tiny, 2)])
        hook.remove()
        losses = objective.validation_losses(denoised, x0, noising)
        _, sigma = session.denoiser._space.to_comfy(noising.x_t, noising.sigma)
        return losses, torch.cat(seen), raw, noising.noise, sigma.view(-1, *[1] * (raw.ndim - 1))

    return run


def means(error: torch.Tensor) -> torch.Tensor:
    return error.square().flatten(1).mean(1)


@pytest.mark.parametrize("name", ["SDXL (Playground 2.5)", "CosmosT2V"])
def test_edm_is_trained_on_its_own_output(native, name):
    """arXiv:2206.00364, equation 8: F should be (x0 - c_skip x) / c_out, all in the deviation 0.5 of the data."""
    losses, output, x0, noise, sigma = native(name)
    deviation = 0.5
    x = x0 + sigma * noise
    skip = deviation**2 / (sigma**2 + deviation**2)
    out = sigma * deviation / (sigma**2 + deviation**2).sqrt()
    torch.testing.assert_close(losses, means(output - (x0 - skip * x) / out), rtol=1e-3, atol=1e-5)


def test_cosmos_flow_is_trained_on_noise_minus_picture(native):
    losses, output, x0, noise, _ = native("CosmosT2IPredict2")
    torch.testing.assert_close(losses, means(output - (noise - x0)), rtol=1e-3, atol=1e-5)


def test_ddpm_is_trained_on_its_own_output(native):
    """CogVideoX takes x0 and noise mixed to a deviation of 1, and answers with arXiv:2202.00512's v of that mixture."""
    losses, output, x0, noise, sigma = native("CogVideoX_T2V")
    alpha, beta = 1 / (sigma**2 + 1).sqrt(), sigma / (sigma**2 + 1).sqrt()
    torch.testing.assert_close(losses, means(output - (alpha * noise - beta * x0)), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("name", "tokens"), [
    ("Flux", 16), ("Flux2", 16), ("ChromaRadiance", 16), ("WAN21_T2V", 16), ("CosmosT2IPredict2", 16), ("Ideogram4", 16), ("Lens", 16),
    ("Krea2", 16), ("ZImagePixelSpace", 16), ("HiDreamO1", 4),
])
def test_noise_levels_go_by_the_model_s_own_tokens(comfy, name, tokens):
    """A pixel model of 64 x 64 has as many tokens as a latent one of 8 x 8: the same shift, not that of a huge picture."""
    from pack.host.session import Session

    if not tiny_models.is_known(comfy, TINY[name]):
        pytest.skip(f"this ComfyUI has no {name}")
    denoiser = Session(tiny_models.patcher(comfy, TINY[name]), precision="fp32").denoiser
    height, width = TINY[name].latent[-2:]
    assert (height // denoiser.patch) * (width // denoiser.patch) == tokens
