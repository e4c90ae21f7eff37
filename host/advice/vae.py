"""A VAE that is another family's, where the channels do not tell: what it was made for, by the file that it comes from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import comfy.model_detection
import torch
from safetensors import safe_open

from ...training.errors import Contained
from ..model.facts import vae_file

#: Names of VAE files -> ComfyUI's latent formats that they make. What no row knows is not judged.
_NAMES = {
    r"sdxl|xl[-_. ]?vae": ("SDXL",),
    r"ft[-_](mse|ema)|kl-?f8|sd[-_ ]?v?1": ("SD15",),
    r"sd[-_ ]?3": ("SD3",),
    r"^ae\.|flux[-_. ]?1|flux[-_. ]?vae": ("Flux",),
    r"flux[-_. ]?2": ("Flux2",),
    r"wan[-_ ]?2[-_.]?1|qwen[-_ ]?image": ("Wan21",),
    r"hunyuan[-_ ]?video": ("HunyuanVideo",),
}


def vae_warning(model, prompt: Mapping[str, Any] | None, node_id: str) -> str | None:
    """A sentence where the VAE's file was made for another kind of latents than `model` works on; None where it was not, or where
    nothing is known of it."""
    path = vae_file(prompt, node_id)
    made_for = () if path is None else formats_of(path)
    wanted = type(model.get_model_object("latent_format")).__name__
    if path is None or not made_for or wanted in made_for:
        return None
    return (
        f"the VAE comes from {path.name}, made for latents of {made_for[0]}, but the model works on those of {wanted}. They have as "
        "many channels and other contents, so the LoRA learns wrong colours and shapes. Connect the VAE output of the checkpoint that the "
        "MODEL comes from, or load the VAE of that family."
    )


def formats_of(path: Path) -> tuple[str, ...]:
    """The latent formats, by the names of ComfyUI's classes, that the VAE in a file makes; () where that is not known. Of a checkpoint the
    format that its own model works on; of a VAE alone what its name says. No weight is read."""
    with Contained() as trouble:
        config = _config_of(path)
        if config is not None:
            return (type(config.latent_format).__name__,)
    named = [formats for pattern, formats in _NAMES.items() if re.search(pattern, path.name, re.IGNORECASE)]
    return named[0] if trouble.error is None and len(named) == 1 else ()


def _config_of(path: Path) -> Any:
    """ComfyUI's configuration of the diffusion model in the file, by its shapes; None where there is none."""
    if path.suffix != ".safetensors":
        return None
    with safe_open(path, framework="pt") as file:
        shapes = {name: torch.empty(file.get_slice(name).get_shape(), device="meta") for name in file.keys()}
    prefix = comfy.model_detection.unet_prefix_from_state_dict(shapes)
    return comfy.model_detection.model_config_from_unet(shapes, prefix)
