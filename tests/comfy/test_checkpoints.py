"""The tiny checkpoints are what they say: ComfyUI detects the family, and an untrained step is sane."""

import pytest
import torch

FAMILIES = {
    "sd15": ("SD15", "EPS"),
    "sd15-two-levels": ("SD15", "EPS"),
    "sd21-no-text": ("SD20", "EPS"),
    "sdxl-short": ("SDXL", "EPS"),
    "sdxl-short-vpred": ("SDXL", "V_PREDICTION"),
    "flux-dev": ("Flux", "FLUX"),
    "flux-schnell": ("FluxSchnell", "FLOW"),
}


def load(comfy, name):
    path = comfy.folder_paths.get_full_path_or_raise("checkpoints", name)
    return comfy.module("comfy.sd").load_checkpoint_guess_config(path)[:3]


def denoise_inputs(model) -> dict:
    """What apply_model takes, as keyword arguments, with random text of the model's own width."""
    config = model.model_config.unet_config
    generator = torch.Generator().manual_seed(5)

    def normal(*shape):
        return torch.randn(shape, generator=generator)

    width = config.get("context_dim") or config["context_in_dim"]
    inputs = {"x": normal(1, model.latent_format.latent_channels, 8, 8), "c_crossattn": normal(1, 77, width)}
    if config.get("adm_in_channels"):
        inputs["y"] = normal(1, config["adm_in_channels"])
    if "vec_in_dim" in config:
        inputs |= {"y": normal(1, config["vec_in_dim"]), "guidance": torch.tensor([3.5])}
    return inputs


@pytest.mark.parametrize("kind", FAMILIES)
def test_family_and_first_step(comfy, checkpoint, kind):
    patcher, _, _ = load(comfy, checkpoint(kind))
    model = patcher.model
    assert (type(model.model_config).__name__, model.model_type.name) == FAMILIES[kind]
    inputs = denoise_inputs(model)
    sampling = model.model_sampling
    sigma = sampling.percent_to_sigma(0.3)
    x = inputs.pop("x") * (sigma**2 + 1) ** 0.5
    with torch.inference_mode():
        denoised = model.apply_model(x, torch.tensor([sigma]), **inputs)
    assert denoised.isfinite().all()
    network_output = (x - denoised) / sigma
    assert 0.3 < network_output.std() < 3.0


def test_text_steers_the_output(comfy, sd15_checkpoint):
    patcher, clip, _ = load(comfy, sd15_checkpoint)
    fox, boat = (clip.encode_from_tokens(clip.tokenize(text)) for text in ("a red fox", "a boat at sea"))
    assert (fox - boat).abs().mean() > 0.1
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        one, other = (patcher.model.apply_model(x, torch.tensor([1.0]), c_crossattn=text) for text in (fox, boat))
    assert (one - other).abs().max() > 1e-3


@pytest.mark.parametrize("kind", ["sd15", "flux-schnell"])
def test_the_vae_keeps_a_picture(comfy, checkpoint, kind):
    patcher, _, vae = load(comfy, checkpoint(kind))
    picture = torch.zeros(1, 128, 128, 3)
    picture[:, :64, :, 0] = 0.9
    picture[:, 64:, :, 2] = 0.7
    with torch.inference_mode():
        latent = vae.encode(picture)
        back = vae.decode(latent)
        latent = patcher.model.process_latent_in(latent)
    assert latent.shape == (1, patcher.model.latent_format.latent_channels, 16, 16)
    assert 0.5 < latent[:, :3].std() < 2.0
    # Away from edges; strong colours fade a little, since the decoder squashes its input with tanh.
    for rows in (slice(16, 48), slice(80, 112)):
        assert (back[:, rows, 16:-16] - picture[:, rows, 16:-16]).abs().max() < 0.1


def test_the_same_kind_is_the_same_file(tmp_path):
    """On one machine and with as many threads: sums are not the same in another order."""
    from pack.demo.tiny import checkpoints

    first, second = (checkpoints.make("sd15", tmp_path / name).read_bytes() for name in ("a", "b"))
    assert first == second
