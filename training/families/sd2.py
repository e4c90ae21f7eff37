"""Stable Diffusion 2.x: as 1.x, with OpenCLIP's text encoder; its models of 768 pixels predict v."""

from __future__ import annotations

from .base import Family, underscored
from .unet import UNET_BLOCKS

FAMILY = Family(
    name="sd2", title="Stable Diffusion 2.x", classes=("comfy.supported_models.SD20",),
    file_key=underscored("lora_unet_"), diffusers_paths=True, text_encoder_prefixes=(("clip_h", "lora_te"),),
    base_model_version="sd_v2", v_version="sd_v2_v", is_v2=True, implementation="diffusers",
    architecture="stable-diffusion-v2-512/lora", v_architecture="stable-diffusion-v2-768-v/lora",
    blocks=UNET_BLOCKS, resolution=768,
)
