"""FLUX.1. Models that only derive from it in ComfyUI (FLUX.2, Chroma) have layers and files of their own."""

from __future__ import annotations

from ..parts import Blocks, Section
from .base import Family, underscored

FAMILY = Family(
    name="flux", title="FLUX.1", classes=("comfy.model_base.Flux",), with_subclasses=False,
    file_key=underscored("lora_unet_"), text_encoder_prefixes=(("clip_l", "lora_te1"), ("t5xxl", "lora_te3")), on_request=("t5xxl",),
    base_model_version="flux1", architecture="flux-1-dev/lora",
    variants=(("comfy.supported_models.FluxSchnell", "flux-1-schnell/lora"),),
    implementation="https://github.com/black-forest-labs/flux", t5_attention_mask=False, guidance_default=1.0, shift_by_resolution=True,
    blocks=Blocks(
        trunk=r"^(double|single)_blocks\.", attention=r"attn|linear1$", convolution=r"^$",
        sections=(Section("double", r"^double_blocks\.(\d+)\."), Section("single", r"^single_blocks\.(\d+)\.")),
    ),
)
