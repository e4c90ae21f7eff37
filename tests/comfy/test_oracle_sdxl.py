"""One step of SDXL against diffusers + peft: sizes and crops of each sample, pooled text, and every gradient."""

import pytest
import torch

from pack.tests.comfy.diffusers_unet import unet_like, unet_module_paths
from pack.tests.comfy.parts import condition, load, network_for, session_of
from pack.tests.comfy.peft_lora import relative_errors, whole, with_peft
from pack.tests.comfy.test_oracle_sd15 import ALPHA, RANK, step
from pack.training.protocols import Condition, PixelGeometry


@pytest.fixture(scope="module")
def sdxl(comfy, checkpoint):
    return load(comfy, checkpoint("sdxl-no-text"))


def sized(original, crop, target, seed) -> Condition:
    made = condition(width=2048, seed=seed, pooled=1280)
    return Condition(text=made.text, geometry=PixelGeometry(original=original, crop=crop, target=target))


def test_loss_and_every_gradient_agree_with_diffusers_and_peft(comfy, sdxl):
    """Two samples with geometries of their own: 1600 x 900 loses 10 px at the left, 1000 x 1500 loses 16 px at the top."""
    from diffusers import DDPMScheduler

    session = session_of(sdxl)
    assert session.family.name == "sdxl"
    network = network_for(session.parts())
    conditions = [sized((1600, 900), (10, 0), (1344, 768), 1), sized((1000, 1500), (0, 16), (832, 1216), 2)]
    x0 = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    losses, noising = step(session, network, x0, [21, 22], conditions)

    unet = unet_like(comfy, sdxl.model)
    layers = with_peft(unet, network, "diffusion_model", whole(unet_module_paths(comfy, sdxl.model)), rank=RANK, alpha=ALPHA)
    scheduler = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    timesteps = (noising.position * 1000).floor().long()
    # height, width, top, left, target height, target width
    time_ids = torch.tensor([[900.0, 1600, 0, 10, 768, 1344], [1500, 1000, 16, 0, 1216, 832]])
    text = torch.cat([c.text.tensors["cond"] for c in conditions])
    pooled = torch.cat([c.text.tensors["pooled_output"] for c in conditions])
    predicted = unet(
        scheduler.add_noise(x0, noising.noise, timesteps), timesteps, text,
        added_cond_kwargs={"text_embeds": pooled, "time_ids": time_ids},
    ).sample
    expected = (predicted - noising.noise).square().flatten(1).mean(1)
    expected.mean().backward()

    torch.testing.assert_close(losses, expected.detach(), rtol=1e-4, atol=0)
    errors = relative_errors(network, "diffusion_model", layers)
    assert len(errors) == len(network) > 100
    assert max(errors.values()) < 1e-4, max(errors, key=errors.get)


def test_keys_are_kohya_s_native_ones(sdxl):
    session = session_of(sdxl)
    network = network_for(session.parts())
    assert "lora_unet_input_blocks_5_1_transformer_blocks_0_attn1_to_q" in network.file_keys.values()


def test_the_crop_is_seen(sdxl):
    """Another crop of the same picture is another condition."""
    session = session_of(sdxl)
    x, sigma = torch.randn(1, 4, 8, 8), torch.tensor([1.0])
    with session.training(), torch.no_grad():
        a = session.denoiser.denoise(x, sigma, [sized((1600, 900), (10, 0), (1344, 768), 1)])
        b = session.denoiser.denoise(x, sigma, [sized((1600, 900), (0, 10), (1344, 768), 1)])
    assert not torch.equal(a, b)
