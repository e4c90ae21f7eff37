"""FLUX.2: dev and the two sizes of Klein, told apart by their width. Its modulation is shared by all blocks and stays as it is."""

from __future__ import annotations

from ..parts import Blocks, Section
from .base import Family, dotted

FAMILY = Family(
    name="flux2", title="FLUX.2", classes=("comfy.model_base.Flux2",), file_key=dotted("diffusion_model."),
    base_model_version="flux_2_dev", architecture="Flux.2-dev/lora", implementation="https://github.com/black-forest-labs/flux2",
    sizes=(
        ("hidden_size", 3072, "flux_2_klein_4b", "Flux.2-klein-4b/lora"), ("hidden_size", 4096, "flux_2_klein_9b", "Flux.2-klein-9b/lora"),
    ),
    in_diffusers=(
        (r"double_blocks\.(\d+)\.img_attn\.qkv", tuple(rf"transformer_blocks.\1.attn.to_{x}" for x in "qkv")),
        (r"double_blocks\.(\d+)\.txt_attn\.qkv", tuple(rf"transformer_blocks.\1.attn.add_{x}_proj" for x in "qkv")),
        (r"double_blocks\.(\d+)\.img_attn\.proj", (r"transformer_blocks.\1.attn.to_out.0",)),
        (r"double_blocks\.(\d+)\.txt_attn\.proj", (r"transformer_blocks.\1.attn.to_add_out",)),
        (r"double_blocks\.(\d+)\.img_mlp\.0", (r"transformer_blocks.\1.ff.linear_in",)),
        (r"double_blocks\.(\d+)\.img_mlp\.2", (r"transformer_blocks.\1.ff.linear_out",)),
        (r"double_blocks\.(\d+)\.txt_mlp\.0", (r"transformer_blocks.\1.ff_context.linear_in",)),
        (r"double_blocks\.(\d+)\.txt_mlp\.2", (r"transformer_blocks.\1.ff_context.linear_out",)),
        (r"single_blocks\.(\d+)\.linear1", (r"single_transformer_blocks.\1.attn.to_qkv_mlp_proj",)),
        (r"single_blocks\.(\d+)\.linear2", (r"single_transformer_blocks.\1.attn.to_out",)),
    ),
    blocks=Blocks(
        trunk=r"^(double|single)_blocks\.", attention=r"attn|linear1$", convolution=r"^$",
        sections=(Section("double", r"^double_blocks\.(\d+)\."), Section("single", r"^single_blocks\.(\d+)\.")),
    ),
)
