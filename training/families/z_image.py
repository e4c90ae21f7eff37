"""Z-Image and Z-Image Turbo. Other trainers leave its refiners (two blocks of noise, two of text) as they are, so the presets do too."""

from __future__ import annotations

from ..parts import Blocks, Section
from .base import Family, dotted

FAMILY = Family(
    name="z_image", title="Z-Image", classes=("comfy.supported_models.ZImage",), file_key=dotted("diffusion_model."),
    base_model_version="z_image", architecture="Z-Image/lora", implementation="https://github.com/Tongyi-MAI/Z-Image",
    in_diffusers=(
        (r"(.+\.attention)\.qkv", (r"\1.to_q", r"\1.to_k", r"\1.to_v")), (r"(.+\.attention)\.out", (r"\1.to_out.0",)),
        (r"(?:x_embedder|final_layer)(\..+|$)", ()), (r"(.+)", (r"\1",)),
    ),
    blocks=Blocks(
        trunk=r"^layers\.\d+\.(attention|feed_forward)\.", attention=r"\.attention\.", convolution=r"^$",
        sections=(Section("layers", r"^layers\.(\d+)\."),),
    ),
)
