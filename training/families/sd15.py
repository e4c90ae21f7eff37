"""Stable Diffusion 1.x: kohya's names, which are diffusers' paths."""

from __future__ import annotations

from .base import Family, underscored
from .unet import UNET_BLOCKS

FAMILY = Family(
    name="sd15", title="Stable Diffusion 1.x", classes=("comfy.supported_models.SD15",),
    file_key=underscored("lora_unet_"), diffusers_paths=True, text_encoder_prefixes=(("clip_l", "lora_te"),),
    base_model_version="sd_v1", v_version="sd_v1_v", architecture="stable-diffusion-v1/lora", implementation="diffusers",
    blocks=UNET_BLOCKS, resolution=512,
)
