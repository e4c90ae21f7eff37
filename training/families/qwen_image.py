"""Qwen-Image. Other trainers leave the modulation in its blocks as it is, so the presets do too."""

from __future__ import annotations

from ..parts import Blocks, Section
from .base import Family, dotted

FAMILY = Family(
    name="qwen_image", title="Qwen-Image", classes=("comfy.supported_models.QwenImage",), file_key=dotted("diffusion_model."),
    base_model_version="qwen_image", architecture="Qwen-Image/lora", implementation="https://github.com/QwenLM/Qwen-Image",
    blocks=Blocks(
        trunk=r"^transformer_blocks\.\d+\.(attn|img_mlp|txt_mlp)\.", attention=r"\.attn\.", convolution=r"^$",
        sections=(Section("transformer_blocks", r"^transformer_blocks\.(\d+)\."),),
    ),
)
