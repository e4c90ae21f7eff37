"""Random CLIP text encoders: CLIP-L in the transformers layout, CLIP-G in the OpenCLIP layout, as checkpoints hold them.

The vocabulary and the widths are fixed by ComfyUI; the number of layers can be lowered only where the loader is told
(its option `clip_l_model_config`), so files for the plain loader hold all of them.
"""

import torch
from torch import Tensor

from .draw import Draw

VOCABULARY, POSITIONS = 49408, 77
WIDTH_L, LAYERS_L = 768, 12
WIDTH_G, LAYERS_G = 1280, 32
BRANCH_GAIN = 0.3


def _embeddings(draw: Draw, token_key: str, position_key: str, width: int) -> None:
    draw.put(token_key, draw.normal(VOCABULARY, width, std=0.02))
    draw.put(position_key, draw.normal(POSITIONS, width, std=0.01))


def clip_l_weights(seed: int, layers: int = LAYERS_L, dtype: torch.dtype = torch.float16) -> dict[str, Tensor]:
    """The text model of CLIP ViT-L/14, keys beginning with `text_model.`."""
    draw = Draw(seed, dtype)
    embeddings = "text_model.embeddings"
    _embeddings(draw, f"{embeddings}.token_embedding.weight", f"{embeddings}.position_embedding.weight", WIDTH_L)
    for layer in range(layers):
        prefix = f"text_model.encoder.layers.{layer}"
        for name in ("q_proj", "k_proj", "v_proj"):
            draw.linear(f"{prefix}.self_attn.{name}", WIDTH_L, WIDTH_L)
        draw.linear(f"{prefix}.self_attn.out_proj", WIDTH_L, WIDTH_L, gain=BRANCH_GAIN)
        draw.linear(f"{prefix}.mlp.fc1", WIDTH_L, 4 * WIDTH_L)
        draw.linear(f"{prefix}.mlp.fc2", 4 * WIDTH_L, WIDTH_L, gain=BRANCH_GAIN)
        draw.norm(f"{prefix}.layer_norm1", WIDTH_L)
        draw.norm(f"{prefix}.layer_norm2", WIDTH_L)
    draw.norm("text_model.final_layer_norm", WIDTH_L)
    return draw.weights


def clip_g_weights(seed: int, layers: int = LAYERS_G, dtype: torch.dtype = torch.float16) -> dict[str, Tensor]:
    """The text model of OpenCLIP ViT-bigG/14 (keys as in SDXL checkpoints, without their prefix)."""
    draw = Draw(seed, dtype)
    _embeddings(draw, "token_embedding.weight", "positional_embedding", WIDTH_G)
    for layer in range(layers):
        prefix = f"transformer.resblocks.{layer}"
        draw.put(f"{prefix}.attn.in_proj_weight", draw.normal(3 * WIDTH_G, WIDTH_G, std=WIDTH_G**-0.5))
        draw.put(f"{prefix}.attn.in_proj_bias", torch.zeros(3 * WIDTH_G))
        draw.linear(f"{prefix}.attn.out_proj", WIDTH_G, WIDTH_G, gain=BRANCH_GAIN)
        draw.linear(f"{prefix}.mlp.c_fc", WIDTH_G, 4 * WIDTH_G)
        draw.linear(f"{prefix}.mlp.c_proj", 4 * WIDTH_G, WIDTH_G, gain=BRANCH_GAIN)
        draw.norm(f"{prefix}.ln_1", WIDTH_G)
        draw.norm(f"{prefix}.ln_2", WIDTH_G)
    draw.norm("ln_final", WIDTH_G)
    draw.put("text_projection", draw.normal(WIDTH_G, WIDTH_G, std=WIDTH_G**-0.5))
    return draw.weights
