"""The work that every contestant does: full-size SD1.5 with random weights, 256 x 256, batch 1, rank 16, AdamW, fp32.

Latents and text are made beforehand. The model is put together as ComfyUI does it, under inference mode.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
SIDE, RANK, LEARNING_RATE = 256, 16, 1e-4
LATENT = (1, 4, SIDE // 8, SIDE // 8)
ALL_LAYERS, KOHYA_LAYERS = "all linear + convolution", "attention + feed-forward"

UNET_CONFIG = {
    "image_size": 32, "in_channels": 4, "out_channels": 4, "model_channels": 320, "num_res_blocks": [2, 2, 2, 2],
    "channel_mult": (1, 2, 4, 4), "num_heads": 8, "use_spatial_transformer": True, "use_temporal_attention": False,
    "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0], "transformer_depth_output": [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0],
    "transformer_depth_middle": 1, "context_dim": 768, "use_linear_in_transformer": False, "adm_in_channels": None,
    "legacy": False,
}


def start_comfyui() -> None:
    """ComfyUI's modules importable, on the CPU; the pack importable as `pack`."""
    comfyui = Path(os.environ.get("COMFYUI_PATH") or ROOT / ".comfyui").resolve()
    sys.path[:] = [entry for entry in sys.path if Path(entry or os.getcwd()).resolve() != ROOT]
    sys.path.insert(0, str(comfyui))
    importlib.import_module("comfy.cli_args").args.cpu = True
    importlib.import_module("utils.install_util")
    # A ComfyUI that has loaded any checkpoint has these in memory; they are nobody's extra.
    for name in ("comfy.sd", "transformers.optimization"):
        importlib.import_module(name)
    package = type(sys)("pack")
    package.__path__ = [str(ROOT)]
    sys.modules["pack"] = package


def sd15_patcher(channels: int = 320):
    """A MODEL: 859.5 million random weights, fp32; fewer with fewer `channels`, which 64 divides."""
    from comfy import model_base, model_patcher, supported_models

    with torch.inference_mode():
        config = supported_models.SD15({**UNET_CONFIG, "model_channels": channels})
        config.set_inference_dtype(torch.float32, None)
        model = model_base.BaseModel(config, device=torch.device("cpu"))
        generator = torch.Generator().manual_seed(0)
        for name, parameter in model.diffusion_model.named_parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, parameter[0].numel() ** -0.5, generator=generator)
            else:
                parameter.fill_(1.0 if "weight" in name else 0.0)
        cpu = torch.device("cpu")
        return model_patcher.ModelPatcher(model, load_device=cpu, offload_device=cpu)


def latent() -> torch.Tensor:
    return torch.randn(LATENT, generator=torch.Generator().manual_seed(1))


def text() -> torch.Tensor:
    return torch.randn(1, 77, 768, generator=torch.Generator().manual_seed(2))
