"""One step of FLUX against diffusers + peft: flow target, guidance 1.0, fused qkv, and every gradient."""

import pytest
import torch

from pack.tests.comfy.diffusers_flux import image_ids, packed, places, transformer_like
from pack.tests.comfy.parts import condition, load, network_for, session_of
from pack.tests.comfy.peft_lora import relative_errors, with_peft
from pack.tests.comfy.test_oracle_sd15 import ALPHA, RANK, gradients, largest_relative
from pack.training.network.attach import attached
from pack.training.objective.objective import Objective
from pack.training.objective.spec import ObjectiveSpec


def conditions(loaded, tokens=(6, 6)):
    config = loaded.model.model.model_config.unet_config
    return [condition(config["context_in_dim"], tokens=n, seed=i, pooled=config["vec_in_dim"]) for i, n in enumerate(tokens)]


def step(session, network, x0, seeds, given, *, checkpointing=False):
    for _, parameter in network.named_parameters():
        parameter.grad = None
    objective = Objective(ObjectiveSpec(), session.denoiser)
    with session.training(), attached(network, session.parts(), checkpointing=checkpointing):
        noising = objective.noise(x0, seeds)
        losses = objective.losses(session.denoiser.denoise(noising.x_t, noising.sigma, given), x0, noising)
        losses.mean().backward()
    return losses.detach(), noising


@pytest.mark.parametrize("kind", ["flux-dev", "flux-schnell"])
def test_loss_and_every_gradient_agree_with_diffusers_and_peft(comfy, checkpoint, kind):
    loaded = load(comfy, checkpoint(kind), dtype=torch.float32)
    session = session_of(loaded, precision="fp32")
    assert session.family.name == "flux" and session.denoiser.parametrisation == "flow"
    network = network_for(session.parts())
    x0 = torch.randn(2, 16, 8, 4, generator=torch.Generator().manual_seed(1))
    given = conditions(loaded)
    losses, noising = step(session, network, x0, [31, 32], given)

    model = transformer_like(comfy, loaded.model)
    layers = with_peft(model, network, "diffusion_model", places(comfy, loaded.model), rank=RANK, alpha=ALPHA)
    sigma = noising.sigma[:, None, None, None]
    x_t = (1 - sigma) * x0 + sigma * noising.noise
    text = torch.cat([c.text.tensors["cond"] for c in given])
    predicted = model(
        hidden_states=packed(x_t), encoder_hidden_states=text, timestep=noising.sigma,
        pooled_projections=torch.cat([c.text.tensors["pooled_output"] for c in given]),
        img_ids=image_ids(8, 4), txt_ids=torch.zeros(text.shape[1], 3),
        guidance=torch.ones(2) if model.config.guidance_embeds else None,
    ).sample
    expected = (predicted - packed(noising.noise - x0)).square().flatten(1).mean(1)
    expected.mean().backward()

    torch.testing.assert_close(losses, expected.detach(), rtol=1e-4, atol=0)
    errors = relative_errors(network, "diffusion_model", layers)
    assert len(errors) == len(network)
    assert max(errors.values()) < 1e-4, max(errors, key=errors.get)


def test_checkpointing_and_batching_change_nothing(comfy, checkpoint):
    """FLUX adds its residuals in place: recomputed blocks are right only because that is set right while training.
    Captions of different length cannot share a batch here, and are run one by one."""
    loaded = load(comfy, checkpoint("flux-dev"), dtype=torch.float32)
    session = session_of(loaded, precision="fp32")
    network = network_for(session.parts())
    x0 = torch.randn(2, 16, 4, 4, generator=torch.Generator().manual_seed(2))
    given = conditions(loaded, tokens=(4, 7))
    losses, _ = step(session, network, x0, [1, 2], given)
    plain = gradients(network)
    again, _ = step(session, network, x0, [1, 2], given, checkpointing=True)
    assert torch.equal(losses, again)
    assert largest_relative(gradients(network), plain) < 1e-5
    singles = [step(session, network, x0[i : i + 1], [i + 1], given[i : i + 1])[0] for i in (0, 1)]
    torch.testing.assert_close(losses, torch.cat(singles), rtol=1e-4, atol=0)


def test_keys_are_kohya_s(comfy, checkpoint):
    session = session_of(load(comfy, checkpoint("flux-dev")))
    keys = set(network_for(session.parts()).file_keys.values())
    assert {"lora_unet_double_blocks_0_img_attn_qkv", "lora_unet_single_blocks_0_modulation_lin"} <= keys
    assert len(keys) == 10 + 3
