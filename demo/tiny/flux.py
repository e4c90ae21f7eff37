"""A small FLUX transformer: hidden width 3072 (fixed by its constants), few blocks, narrow text inputs."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .draw import Draw

HIDDEN, HEAD = 3072, 128
MLP = 4 * HIDDEN
PATCH = 64  # 2x2 places of 16 latent channels
BRANCH_GAIN = 0.3


@dataclass(frozen=True)
class FluxShape:
    """double, single: number of blocks of each kind. guidance: dev has its embedding, schnell has not."""

    double: int
    single: int
    guidance: bool
    text_channels: int = 64
    pooled_channels: int = 768


def flux_weights(shape: FluxShape, seed: int, dtype: torch.dtype = torch.bfloat16) -> dict[str, Tensor]:
    """The state dict, keys without the `model.diffusion_model.` prefix.

    As in tiny/unet.py the untrained network passes its input through: the last layer undoes the first.
    """
    draw = Draw(seed, dtype)
    into = draw.normal(HIDDEN, PATCH, std=PATCH**-0.5)
    draw.put("img_in.weight", into)
    draw.put("img_in.bias", torch.zeros(HIDDEN))
    draw.linear("txt_in", shape.text_channels, HIDDEN)
    _embedding(draw, "time_in", 256)
    _embedding(draw, "vector_in", shape.pooled_channels)
    if shape.guidance:
        _embedding(draw, "guidance_in", 256)
    for block in range(shape.double):
        for stream in ("img", "txt"):
            _double_stream(draw, f"double_blocks.{block}.{stream}")
    for block in range(shape.single):
        prefix = f"single_blocks.{block}"
        draw.linear(f"{prefix}.modulation.lin", HIDDEN, 3 * HIDDEN, gain=BRANCH_GAIN)
        draw.linear(f"{prefix}.linear1", HIDDEN, 3 * HIDDEN + MLP)
        draw.linear(f"{prefix}.linear2", HIDDEN + MLP, HIDDEN)
        _head_norms(draw, f"{prefix}.norm")
    draw.linear("final_layer.adaLN_modulation.1", HIDDEN, 2 * HIDDEN, gain=BRANCH_GAIN)
    draw.put("final_layer.linear.weight", torch.linalg.pinv(into) + draw.normal(PATCH, HIDDEN, std=0.1 * HIDDEN**-0.5))
    draw.put("final_layer.linear.bias", torch.zeros(PATCH))
    return draw.weights


def _embedding(draw: Draw, prefix: str, channels_in: int) -> None:
    draw.linear(f"{prefix}.in_layer", channels_in, HIDDEN, gain=1.4)
    draw.linear(f"{prefix}.out_layer", HIDDEN, HIDDEN, gain=1.4)


def _head_norms(draw: Draw, prefix: str) -> None:
    draw.put(f"{prefix}.query_norm.scale", torch.ones(HEAD))
    draw.put(f"{prefix}.key_norm.scale", torch.ones(HEAD))


def _double_stream(draw: Draw, prefix: str) -> None:
    draw.linear(f"{prefix}_mod.lin", HIDDEN, 6 * HIDDEN, gain=BRANCH_GAIN)
    draw.linear(f"{prefix}_attn.qkv", HIDDEN, 3 * HIDDEN)
    draw.linear(f"{prefix}_attn.proj", HIDDEN, HIDDEN)
    _head_norms(draw, f"{prefix}_attn.norm")
    draw.linear(f"{prefix}_mlp.0", HIDDEN, MLP)
    draw.linear(f"{prefix}_mlp.2", MLP, HIDDEN)
