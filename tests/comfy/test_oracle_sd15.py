"""One step of SD1.5 against diffusers + peft: the same weights, noise and timesteps give the same loss and gradients."""

import pytest
import torch

from pack.tests.comfy.diffusers_unet import unet_like, unet_module_paths
from pack.tests.comfy.parts import condition, load, network_for, session_of
from pack.tests.comfy.peft_lora import relative_errors, whole, with_peft
from pack.training.network.attach import attached
from pack.training.objective.objective import Objective
from pack.training.objective.spec import ObjectiveSpec
from pack.training.objective.timesteps import Uniform
from pack.training.objective.weights import NoWeighting

RANK, ALPHA = 4, 2.0
PLAIN = ObjectiveSpec(timesteps=Uniform(), weighting=NoWeighting())


@pytest.fixture(scope="module")
def sd15(comfy, checkpoint):
    return load(comfy, checkpoint("sd15"))


@pytest.fixture(params=["epsilon", "v"])
def loaded(request, comfy, sd15):
    """The MODEL as the graph hands it on: for v, behind ComfyUI's own ModelSamplingDiscrete node."""
    if request.param == "epsilon":
        return sd15
    from comfy_extras.nodes_model_advanced import ModelSamplingDiscrete

    with torch.inference_mode():
        (model,) = ModelSamplingDiscrete().patch(sd15.model, "v_prediction", zsnr=False)
    return type(sd15)(model, sd15.clip, sd15.vae)


def step(session, network, x0, seeds, conditions, *, checkpointing=False):
    """Our step: the losses (B,), the noising, and the gradients left in the adapters."""
    for _, parameter in network.named_parameters():
        parameter.grad = None
    objective = Objective(PLAIN, session.denoiser)
    with session.training(), attached(network, session.parts(), checkpointing=checkpointing):
        noising = objective.noise(x0, seeds)
        denoised = session.denoiser.denoise(noising.x_t, noising.sigma, conditions)
        losses = objective.losses(denoised, x0, noising)
        losses.mean().backward()
    return losses.detach(), noising


def gradients(network) -> dict[str, torch.Tensor]:
    return {name: parameter.grad.clone() for name, parameter in network.named_parameters()}


def largest_relative(ours: dict, theirs: dict) -> float:
    return max(float((ours[name] - theirs[name]).abs().max() / theirs[name].abs().max()) for name in theirs)


def test_loss_and_every_gradient_agree_with_diffusers_and_peft(comfy, loaded):
    from diffusers import DDPMScheduler

    session = session_of(loaded)
    network = network_for(session.parts())
    x0 = torch.randn(2, 4, 16, 8, generator=torch.Generator().manual_seed(1))
    conditions = [condition(seed=1), condition(seed=2)]
    losses, noising = step(session, network, x0, [11, 12], conditions)

    prediction = {"epsilon": "epsilon", "v": "v_prediction"}[session.denoiser.parametrisation]
    scheduler = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type=prediction)
    unet = unet_like(comfy, loaded.model)
    layers = with_peft(unet, network, "diffusion_model", whole(unet_module_paths(comfy, loaded.model)), rank=RANK, alpha=ALPHA)
    timesteps = (noising.position * 1000).floor().long()
    noisy = scheduler.add_noise(x0, noising.noise, timesteps)
    text = torch.cat([c.text.tensors["cond"] for c in conditions])
    predicted = unet(noisy, timesteps, text).sample
    target = noising.noise if prediction == "epsilon" else scheduler.get_velocity(x0, noising.noise, timesteps)
    expected = (predicted - target).square().flatten(1).mean(1)
    expected.mean().backward()

    torch.testing.assert_close(losses, expected.detach(), rtol=1e-4, atol=0)
    errors = relative_errors(network, "diffusion_model", layers)
    assert len(errors) == len(network)
    assert max(errors.values()) < 1e-4, max(errors, key=errors.get)


def test_a_batch_is_the_mean_of_its_items(sd15):
    session = session_of(sd15)
    network = network_for(session.parts())
    x0 = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(2))
    conditions = [condition(seed=3), condition(seed=4, tokens=154)]
    together, _ = step(session, network, x0, [5, 6], conditions)
    batch = gradients(network)
    singles = []
    for i in range(2):
        loss, _ = step(session, network, x0[i : i + 1], [5 + i], conditions[i : i + 1])
        singles.append((loss, gradients(network)))
    torch.testing.assert_close(together, torch.cat([loss for loss, _ in singles]), rtol=1e-4, atol=0)
    mean = {name: (singles[0][1][name] + singles[1][1][name]) / 2 for name in batch}
    assert largest_relative(batch, mean) < 1e-4


def test_checkpointing_changes_nothing(sd15):
    session = session_of(sd15)
    network = network_for(session.parts())
    x0 = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(3))
    plain_loss, _ = step(session, network, x0, [8], [condition()])
    plain = gradients(network)
    recomputed_loss, _ = step(session, network, x0, [8], [condition()], checkpointing=True)
    assert torch.equal(plain_loss, recomputed_loss)
    assert largest_relative(gradients(network), plain) < 1e-5
