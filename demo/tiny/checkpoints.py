"""Make tiny checkpoints that ComfyUI detects as real model families: seeded random weights, made in seconds.

Usage: python -m demo.tiny.checkpoints FOLDER [KIND ...]
"""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from .clip import LAYERS_G, LAYERS_L, clip_g_weights, clip_l_weights
from .flux import FluxShape, flux_weights
from .t5 import OPTIONS as T5_OPTIONS
from .t5 import t5_weights
from .unet import UNetShape, unet_weights
from .vae import vae_weights

VERSION = 2  # raise it when the weights change: files made before are then not used again
SEED = 20251121
SHORT_LAYERS = 3

SD15_ONE_LEVEL = UNetShape(levels=((1,),), middle=None, depth_out=1, text_channels=768)
SD15_TWO_LEVELS = UNetShape(levels=((1,), (1,)), middle=1, depth_out=1, text_channels=768)
SD21_ONE_LEVEL = UNetShape(levels=((1,),), middle=None, depth_out=1, text_channels=1024, linear_projections=True)
SDXL_ONE_LEVEL = UNetShape(
    levels=((0, 0, 2, 2, 10, 10),),
    middle=None,
    depth_out=0,
    text_channels=2048,
    pooled_channels=2816,
    linear_projections=True,
)
SDXL_THREE_LEVELS = replace(SDXL_ONE_LEVEL, levels=((0, 0), (2, 2), (10, 10)))

Weights = dict[str, Tensor]


def _prefixed(prefix: str, weights: Weights) -> Weights:
    return {prefix + key: value for key, value in weights.items()}


def _sd(shape: UNetShape, text: bool = True) -> Weights:
    weights = _prefixed("model.diffusion_model.", unet_weights(shape, SEED))
    if text:
        weights |= _prefixed("cond_stage_model.transformer.", clip_l_weights(SEED + 1))
    return weights | _prefixed("first_stage_model.", vae_weights(SEED + 2, 4, scale=0.18215))


def _sdxl(text: str, v_prediction: bool = False) -> Weights:
    layers_l, layers_g = (LAYERS_L, LAYERS_G) if text == "whole" else (SHORT_LAYERS, SHORT_LAYERS)
    weights = _prefixed("model.diffusion_model.", unet_weights(SDXL_ONE_LEVEL, SEED))
    weights |= _prefixed("conditioner.embedders.0.transformer.", clip_l_weights(SEED + 1, layers_l))
    weights |= _prefixed("conditioner.embedders.1.model.", clip_g_weights(SEED + 3, layers_g))
    if v_prediction:
        weights["v_pred"] = torch.tensor([])
    return weights | _prefixed("first_stage_model.", vae_weights(SEED + 2, 4, scale=0.13025))


def _flux(shape: FluxShape) -> Weights:
    weights = _prefixed("model.diffusion_model.", flux_weights(shape, SEED))
    weights |= _prefixed("text_encoders.clip_l.transformer.", clip_l_weights(SEED + 1, SHORT_LAYERS))
    weights |= _prefixed("text_encoders.t5xxl.transformer.", t5_weights(SEED + 4))
    return weights | _prefixed("vae.", vae_weights(SEED + 2, 16, scale=0.3611, shift=0.1159))


# In these, text encoders are shorter than ComfyUI's own. Its checkpoint loader has options for that, which the file's
# metadata names under SHORT_TEXT_KEY; a plain loader node does not read them (see tests/comfy/short_text.py).
SHORT_TEXT = {"sdxl-short", "sdxl-short-vpred", "flux-dev", "flux-schnell"}
SHORT_TEXT_KEY = "lora_canvas_text_options"
SHORT_TEXT_OPTIONS = {
    "clip_l_model_config": {"num_hidden_layers": SHORT_LAYERS},
    "clip_g_model_config": {"num_hidden_layers": SHORT_LAYERS},
    "t5xxl_model_config": T5_OPTIONS,
}

KINDS: dict[str, Callable[[], Weights]] = {
    "sd15": lambda: _sd(SD15_ONE_LEVEL),
    "sd15-two-levels": lambda: _sd(SD15_TWO_LEVELS),
    "sd21-no-text": lambda: _sd(SD21_ONE_LEVEL, text=False),
    "sdxl": lambda: _sdxl("whole"),
    "sdxl-short": lambda: _sdxl("short"),
    "sdxl-no-text": lambda: _prefixed("model.diffusion_model.", unet_weights(SDXL_THREE_LEVELS, SEED)),
    "sdxl-short-vpred": lambda: _sdxl("short", v_prediction=True),
    "flux-dev": lambda: _flux(FluxShape(double=1, single=1, guidance=True)),
    "flux-schnell": lambda: _flux(FluxShape(double=1, single=0, guidance=False)),
}


def make(kind: str, folder: Path) -> Path:
    """Make the checkpoint in `folder`, unless it is there already, and return its path."""
    if kind not in KINDS:
        raise ValueError(f"no checkpoint kind {kind!r}; there are: {', '.join(KINDS)}")
    path = folder / f"tiny-{kind}-v{VERSION}.safetensors"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    metadata = {SHORT_TEXT_KEY: json.dumps(SHORT_TEXT_OPTIONS)} if kind in SHORT_TEXT else None
    unfinished = path.with_suffix(f".{os.getpid()}.part")
    save_file(KINDS[kind](), unfinished, metadata)
    os.replace(unfinished, path)
    return path


def main(folder: str, *kinds: str) -> None:
    for kind in kinds or ("sd15",):
        path = make(kind, Path(folder))
        print(f"{path}  {path.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(f"{__doc__}\nKinds: {', '.join(KINDS)}")
    main(*sys.argv[1:])
