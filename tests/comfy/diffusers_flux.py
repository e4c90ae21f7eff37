"""The independent oracle for FLUX: diffusers' transformer on ComfyUI's weights."""

import torch
from torch import Tensor

from pack.tests.comfy.peft_lora import Slices


def transformer_like(comfy, patcher) -> torch.nn.Module:
    """diffusers' FluxTransformer2DModel with the weights of a ComfyUI FLUX."""
    model = _transformer(patcher)
    theirs = patcher.model.diffusion_model.state_dict()
    own, weights = model.state_dict(), {}
    for name, source in _sources(comfy, patcher).items():
        if name in own:
            weights[name] = _taken(theirs, source)
    assert weights.keys() == own.keys(), sorted(own.keys() - weights.keys())[:5]
    model.load_state_dict(weights)
    return model.requires_grad_(False)


def _transformer(patcher) -> torch.nn.Module:
    from diffusers import FluxTransformer2DModel

    config = patcher.model.model_config.unet_config
    return FluxTransformer2DModel(
        in_channels=64, num_layers=config["depth"], num_single_layers=config["depth_single_blocks"], attention_head_dim=128,
        num_attention_heads=24, joint_attention_dim=config["context_in_dim"], pooled_projection_dim=config["vec_in_dim"],
        guidance_embeds=config["guidance_embed"],
    )


def places(comfy, patcher) -> dict[str, Slices]:
    """ComfyUI's module path -> the oracle's modules, each with its rows of the output."""
    with torch.device("meta"):
        own = _transformer(patcher).state_dict().keys()
    found: dict[str, Slices] = {}
    for name, source in _sources(comfy, patcher).items():
        if not name.endswith(".weight") or name not in own:
            continue
        native, offset = (source, None) if isinstance(source, str) else source[:2]
        rows = slice(None) if offset is None else slice(offset[1], offset[1] + offset[2])
        slices = found.setdefault(native.removesuffix(".weight"), [])
        # Newer ComfyUI also knows what other trainers call the same rows; diffusers' own name comes first.
        if all(rows != known for _, known in slices):
            slices.append((name.removesuffix(".weight"), rows))
    return {native: sorted(slices, key=lambda entry: entry[1].start or 0) for native, slices in found.items()}


def _sources(comfy, patcher) -> dict:
    return comfy.module("comfy.utils").flux_to_diffusers(patcher.model.model_config.unet_config)


def _taken(theirs: dict, source) -> Tensor:
    if isinstance(source, str):
        return theirs[source].clone()
    native, offset, *function = source
    weight = theirs[native] if offset is None else theirs[native].narrow(*offset)
    # The only function swaps two halves, which undoes itself.
    return function[0](weight).clone() if function else weight.clone()


def packed(latents: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, H/2 * W/2, 4 C): 2 x 2 places become one token."""
    b, c, h, w = latents.shape
    return latents.view(b, c, h // 2, 2, w // 2, 2).permute(0, 2, 4, 1, 3, 5).reshape(b, h * w // 4, c * 4)


def image_ids(height: int, width: int) -> Tensor:
    """(H/2 * W/2, 3): 0, row, column of every token."""
    ids = torch.zeros(height // 2, width // 2, 3)
    ids[..., 1] = torch.arange(height // 2)[:, None]
    ids[..., 2] = torch.arange(width // 2)[None]
    return ids.view(-1, 3)
