"""The world's checkpoint in ComfyUI: its loader knows it as SD1.5, and its CLIP, UNet and VAE compute what the training did."""

import pytest
import torch
from safetensors.torch import save_file

from pack.demo.world import score, scoring
from pack.demo.world.diffusion import alphas
from pack.demo.world.drawn.captions import WORDS, tokens
from pack.demo.world.files import checkpoint
from pack.demo.world.learn_unet import World
from pack.demo.world.unet import Shape
from pack.demo.world.vae import VAE

TEXT = "a red cat sitting in the snow , portrait of the volcano"
SHAPES = {"small": Shape(), "middle": Shape(levels=((1,), (0,)), middle=1, out=((0, 1), (1, 0)))}


def stirred(module: torch.nn.Module) -> torch.nn.Module:
    """Weights of an untrained module that is silent nowhere, as fp16 holds them."""
    with torch.no_grad():
        for weight in module.parameters():
            weight += 0.05 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(weight.numel()))
            weight.copy_(weight.half().float())
    return module.eval()


@pytest.fixture(scope="module", params=list(SHAPES))
def world(request):
    torch.manual_seed(0)
    return stirred(World(SHAPES[request.param])), stirred(VAE())


@pytest.fixture(scope="module")
def path(comfy, world):
    """The checkpoint, where ComfyUI looks for it."""
    model, vae = world
    path = comfy.base / "models" / "checkpoints" / f"world-{len(model.state_dict())}.safetensors"
    save_file(checkpoint(model.state_dict() | {f"vae.{key}": weight for key, weight in vae.state_dict().items()}), path)
    yield path
    path.unlink()


@pytest.fixture(scope="module")
def loaded(comfy, path):
    """MODEL, CLIP, VAE as ComfyUI's own loader gives them."""
    found = comfy.module("comfy.sd").load_checkpoint_guess_config(str(path), output_vae=True, output_clip=True)
    assert type(found[0].model.model_config).__name__ == "SD15"
    return found[:3]


def test_a_text_is_what_it_was_in_training(world, loaded):
    """Seventy-seven places there, one place that counts for all the padding here."""
    with torch.inference_mode():
        theirs = loaded[1].encode_from_tokens(loaded[1].tokenize(TEXT))
        ours, _bias = world[0].text([tokens(TEXT)])
    count = ours.shape[1]
    torch.testing.assert_close(theirs[:, :count].float(), ours, atol=2e-3, rtol=0)
    torch.testing.assert_close(theirs[:, -1].float(), ours[:, -1], atol=2e-3, rtol=0)


def test_the_noise_is_what_it_was_in_training(comfy, world, loaded):
    model, left = loaded[0], alphas()
    x, t = torch.randn(2, 4, 12, 20, generator=torch.Generator().manual_seed(1)), torch.tensor([40, 700])
    with torch.inference_mode():
        context, bias = world[0].text([tokens(TEXT)] * 2)
        ours = world[0].unet(x, t, context, bias)
        full = loaded[1].encode_from_tokens(loaded[1].tokenize(TEXT))
        comfy.module("comfy.model_management").load_models_gpu([model])
        sampling, unet = model.model.model_sampling, model.model.diffusion_model.float()
        theirs = unet(x, timesteps=t.float(), context=full.float().expand(2, -1, -1))
    torch.testing.assert_close(theirs, ours, atol=2e-3 * ours.abs().max().item(), rtol=0)
    sigmas = ((1 - left) / left).sqrt().float()
    torch.testing.assert_close(sampling.sigmas, sigmas, rtol=1e-4, atol=1e-6)


def test_a_picture_is_what_it_was_in_training(world, loaded):
    """The scale is in the file: what the UNet works on are the encoder's own numbers."""
    picture = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        ours = world[1].encode(picture)
        theirs = loaded[0].model.process_latent_in(loaded[2].encode(picture.permute(0, 2, 3, 1)))
        torch.testing.assert_close(theirs.float(), ours, atol=1e-2 * ours.abs().max().item(), rtol=0)
        back = loaded[2].decode(loaded[0].model.process_latent_out(ours)).permute(0, 3, 1, 2)
        torch.testing.assert_close(back.float(), world[1].decode(ours).clamp(0, 1), atol=1e-2, rtol=0)


def test_a_sample_while_training_is_what_ksampler_makes(world, path, run_prompt, monkeypatch):
    monkeypatch.setattr(scoring, "STEPS", 3)
    monkeypatch.setattr(score, "STEPS", 3)
    result = run_prompt(score.graph(score.Source(path.name), ["a red cat", "at night"], seed=7))
    theirs = torch.cat([result.value(f"picture{number}") for number in (0, 1)]).permute(0, 3, 1, 2)
    ours = torch.cat([scoring.pictures(*world, [text], 7 + number, bf16=False) for number, text in enumerate(("a red cat", "at night"))])
    torch.testing.assert_close(theirs.float(), ours, atol=0.02, rtol=0)


def test_every_word_is_one_token_of_clip(loaded):
    for word, number in WORDS.items():
        _start, (found, _weight), (end, _) = loaded[1].tokenize(word)["l"][0][:3]
        assert (found, end) == (number, 49407), word
