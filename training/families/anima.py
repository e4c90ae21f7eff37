"""Anima: Cosmos Predict 2's transformer behind an adapter of the text, which kohya's trainer leaves as it is unless told."""

from __future__ import annotations

from ..parts import Blocks, Section
from .base import Family, dotted

FAMILY = Family(
    name="anima", title="Anima", classes=("comfy.supported_models.Anima",), file_key=dotted("diffusion_model."),
    base_model_version="anima", architecture="anima-preview/lora", implementation="https://huggingface.co/circlestone-labs/Anima",
    in_diffusers=(
        (r"blocks\.(\d+)\.self_attn\.([qkv])_proj", (r"transformer_blocks.\1.attn1.to_\2",)),
        (r"blocks\.(\d+)\.self_attn\.output_proj", (r"transformer_blocks.\1.attn1.to_out.0",)),
        (r"blocks\.(\d+)\.cross_attn\.([qkv])_proj", (r"transformer_blocks.\1.attn2.to_\2",)),
        (r"blocks\.(\d+)\.cross_attn\.output_proj", (r"transformer_blocks.\1.attn2.to_out.0",)),
        (r"blocks\.(\d+)\.mlp\.layer1", (r"transformer_blocks.\1.ff.net.0.proj",)),
        (r"blocks\.(\d+)\.mlp\.layer2", (r"transformer_blocks.\1.ff.net.2",)),
    ),
    blocks=Blocks(
        trunk=r"^blocks\.\d+\.(self_attn|cross_attn|mlp)\.", attention=r"_attn\.", convolution=r"^$",
        sections=(Section("blocks", r"^blocks\.(\d+)\."),),
    ),
)
