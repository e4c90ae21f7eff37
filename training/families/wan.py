"""Wan 2.1 and 2.2, text to video: the high and the low noise model are one family, and so is the model of 5 billion weights."""

from __future__ import annotations

from ..parts import Blocks, Section
from .base import Family, dotted

FAMILY = Family(
    name="wan", title="Wan 2.1, 2.2", classes=("comfy.supported_models.WAN21_T2V",), file_key=dotted("diffusion_model."),
    base_model_version="wan", architecture="wan2.1/lora", implementation="https://github.com/Wan-Video/Wan2.1",
    in_diffusers=(
        (r"(blocks\.\d+)\.self_attn\.([qkv])", (r"\1.attn1.to_\2",)), (r"(blocks\.\d+)\.self_attn\.o", (r"\1.attn1.to_out.0",)),
        (r"(blocks\.\d+)\.cross_attn\.([qkv])", (r"\1.attn2.to_\2",)), (r"(blocks\.\d+)\.cross_attn\.o", (r"\1.attn2.to_out.0",)),
        (r"(blocks\.\d+)\.ffn\.0", (r"\1.ffn.net.0.proj",)), (r"(blocks\.\d+)\.ffn\.2", (r"\1.ffn.net.2",)),
    ),
    blocks=Blocks(
        trunk=r"^blocks\.\d+\.(self_attn|cross_attn|ffn)\.", attention=r"_attn\.", convolution=r"^$",
        sections=(Section("blocks", r"^blocks\.(\d+)\."),),
    ),
)
