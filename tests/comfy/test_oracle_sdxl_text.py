"""SDXL's two text encoders against transformers + peft: what they give, and every gradient of adapters on them."""

import pytest
import torch

from pack.tests.comfy.parts import load, network_for, session_of
from pack.tests.comfy.peft_lora import relative_errors, whole, with_peft
from pack.tests.comfy.transformers_clip import transformers_clip
from pack.training.network.attach import attached

RANK, ALPHA = 4, 2.0
CAPTION = "a photo of hatsune_miku_(vocaloid), long hair"


@pytest.fixture(scope="module")
def sdxl(comfy, checkpoint):
    return load(comfy, checkpoint("sdxl-short"))


def ids(sdxl, name: str) -> torch.Tensor:
    from pack.host.model.text import literal_tokens

    (batch,) = literal_tokens(sdxl.clip, CAPTION)[name]
    return torch.tensor([[token for token, _ in batch]])


def peft_layers(network, part: str, model):
    names = {name.removeprefix("text_model."): name for name, _ in model.named_modules()}
    paths = {path: names[path.removeprefix("transformer.text_model.")] for path in network.adapters_of(part)}
    return with_peft(model, network, part, whole(paths), rank=RANK, alpha=ALPHA)


def test_both_encoders_agree_with_transformers_and_peft(sdxl):
    """Text is the next to last layer of both, side by side; the pooled text is the projection of CLIP-G's end token."""
    from pack.host.model.text import ComfyTextEncoder

    session = session_of(sdxl, clip=sdxl.clip)
    network = network_for([part for part in session.parts() if part.name != "diffusion_model"])
    generator = torch.Generator().manual_seed(5)
    direction, pooled_direction = torch.randn(1, 77, 2048, generator=generator), torch.randn(1, 1280, generator=generator)
    with torch.inference_mode():
        with session.training(), attached(network, session.parts(), checkpointing=True):
            given = ComfyTextEncoder(sdxl.clip).encode_trainable(CAPTION).tensors
            ((given["cond"] * direction).mean() + (given["pooled_output"] * pooled_direction).mean()).backward()

    clip = sdxl.clip.cond_stage_model
    clip_l = transformers_clip(clip.clip_l.transformer, kind="CLIPTextModel", width=768, heads=12, activation="quick_gelu")
    clip_g = transformers_clip(clip.clip_g.transformer, kind="CLIPTextModelWithProjection", width=1280, heads=20, activation="gelu")
    layers = {"clip_l": peft_layers(network, "clip_l", clip_l), "clip_g": peft_layers(network, "clip_g", clip_g)}
    seen_l = clip_l(ids(sdxl, "l"), output_hidden_states=True).hidden_states[-2]
    seen_g = clip_g(ids(sdxl, "g"), output_hidden_states=True)
    cond, pooled = torch.cat([seen_l, seen_g.hidden_states[-2]], dim=-1), seen_g.text_embeds
    ((cond * direction).mean() + (pooled * pooled_direction).mean()).backward()

    torch.testing.assert_close(given["cond"].detach(), cond.detach(), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(given["pooled_output"].detach(), pooled.detach(), rtol=1e-4, atol=1e-4)
    unseen = f"transformer.text_model.encoder.layers.{clip.clip_l.transformer.num_layers - 1}."
    for part in ("clip_l", "clip_g"):
        errors = relative_errors(network, part, layers[part])
        assert len(errors) == 18 and max(errors.values()) < 1e-4, max(errors, key=errors.get)
    # CLIP-L's last layer is not looked at; CLIP-G's is, for the pooled text.
    assert all(adapter.up.grad is None for path, adapter in network.adapters_of("clip_l").items() if path.startswith(unseen))
