"""Krea 2. Its makers train every linear layer, the ones that fuse the text among them."""

from __future__ import annotations

from ..parts import Blocks, Section
from .base import Family, dotted

FAMILY = Family(
    name="krea2", title="Krea 2", classes=("comfy.supported_models.Krea2",), file_key=dotted("diffusion_model."),
    base_model_version="krea2", architecture="Krea-2/lora", implementation="https://github.com/krea-ai/krea-2",
    blocks=Blocks(
        trunk=r"^blocks\.\d+\.|^txtfusion\.\w+_blocks\.\d+\.", attention=r"\.attn\.", convolution=r"^$",
        sections=(Section("blocks", r"^blocks\.(\d+)\."),),
    ),
)
