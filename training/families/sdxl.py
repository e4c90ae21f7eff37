"""Stable Diffusion XL: kohya's names, which are the model's own paths."""

from __future__ import annotations

from dataclasses import replace

from .base import Family, numbered, underscored
from .unet import UNET_25, UNET_BLOCKS

#: kohya's learning rates: 9 down, 3 mid, 9 up; its ranks and alphas add the embedding in front, the output behind.
_SDXL_21 = (*numbered("down", 9), *numbered("mid", 3), *numbered("up", 9))
_SDXL_23 = ("/^(time_embed|label_emb)\\./", *_SDXL_21, "/^out\\./")

FAMILY = Family(
    name="sdxl", title="Stable Diffusion XL", classes=("comfy.model_base.SDXL",),
    file_key=underscored("lora_unet_"), text_encoder_prefixes=(("clip_l", "lora_te1"), ("clip_g", "lora_te2")),
    base_model_version="sdxl_base_v1-0", architecture="stable-diffusion-xl-v1-base/lora",
    implementation="https://github.com/Stability-AI/generative-models",
    blocks=replace(UNET_BLOCKS, lists=(UNET_25, _SDXL_21, _SDXL_23)), size_conditioned=True,
)
