"""A small UNet of the Stable Diffusion family, in the key layout of the original (LDM) checkpoints.

Detection fixes 320 channels, the width of the text and the depth lists; the number of levels is free. The weights
are random, but arranged so that the untrained network passes its input through: it predicts about x / std(x), which is
a sensible guess of the noise, with small random branches that depend on time, text and place. So losses start near 1 or
below, samples are finite, and a LoRA has something to steer.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from .draw import Draw

CHANNELS = 320
TIME_CHANNELS = 4 * CHANNELS
BRANCH_GAIN = 0.3  # of a residual branch, where the main path has deviation 1


@dataclass(frozen=True)
class UNetShape:
    """The transformer depths of a UNet whose levels all have 320 channels.

    levels: for every level, the depth after each of its residual blocks (0: no transformer).
    middle: the middle block's depth, or None for no middle block.
    depth_out: the depth in every output block (there is one more of them per level than residual blocks).
    """

    levels: tuple[tuple[int, ...], ...]
    middle: int | None
    depth_out: int
    text_channels: int
    pooled_channels: int | None = None
    linear_projections: bool = False
    latent_channels: int = 4


def unet_weights(shape: UNetShape, seed: int, dtype: torch.dtype = torch.float16) -> dict[str, Tensor]:
    """The state dict, keys without the `model.diffusion_model.` prefix."""
    draw = Draw(seed, dtype)
    _embedding(draw, "time_embed", CHANNELS)
    if shape.pooled_channels is not None:
        _embedding(draw, "label_emb.0", shape.pooled_channels)
    into, out_of = _mirrored_pairs(draw, shape.latent_channels)
    draw.centred_conv("input_blocks.0.0", into)
    index = 1
    for level, depths in enumerate(shape.levels):
        for depth in depths:
            _block(draw, f"input_blocks.{index}", CHANNELS, depth, shape)
            index += 1
        if level + 1 < len(shape.levels):
            draw.put(f"input_blocks.{index}.0.op.weight", _averaging())
            draw.put(f"input_blocks.{index}.0.op.bias", torch.zeros(CHANNELS))
            index += 1
    if shape.middle is not None:
        _residual(draw, "middle_block.0", CHANNELS)
        _transformer(draw, "middle_block.1", shape.middle, shape)
        _residual(draw, "middle_block.2", CHANNELS)
    _output_blocks(draw, shape)
    draw.norm("out.0", CHANNELS)
    draw.centred_conv("out.2", out_of, spread=0.1)
    return draw.weights


def _output_blocks(draw: Draw, shape: UNetShape) -> None:
    index = 0
    for level, depths in reversed(list(enumerate(shape.levels))):
        for block in range(len(depths) + 1):
            prefix = f"output_blocks.{index}"
            _block(draw, prefix, 2 * CHANNELS, shape.depth_out, shape)
            if level > 0 and block == len(depths):
                place = 2 if shape.depth_out else 1
                draw.centred_conv(f"{prefix}.{place}.conv", torch.eye(CHANNELS))
            index += 1


def _block(draw: Draw, prefix: str, channels_in: int, depth: int, shape: UNetShape) -> None:
    _residual(draw, f"{prefix}.0", channels_in)
    if depth:
        _transformer(draw, f"{prefix}.1", depth, shape)


def _embedding(draw: Draw, prefix: str, channels_in: int) -> None:
    draw.linear(f"{prefix}.0", channels_in, TIME_CHANNELS, gain=2.0)
    draw.linear(f"{prefix}.2", TIME_CHANNELS, TIME_CHANNELS, gain=1.5)


def _residual(draw: Draw, prefix: str, channels_in: int) -> None:
    draw.norm(f"{prefix}.in_layers.0", channels_in)
    draw.conv(f"{prefix}.in_layers.2", channels_in, CHANNELS, gain=1.5)
    draw.linear(f"{prefix}.emb_layers.1", TIME_CHANNELS, CHANNELS)
    draw.norm(f"{prefix}.out_layers.0", CHANNELS)
    draw.conv(f"{prefix}.out_layers.3", CHANNELS, CHANNELS, gain=BRANCH_GAIN)
    if channels_in != CHANNELS:
        halves = torch.cat([torch.eye(CHANNELS) / 2] * (channels_in // CHANNELS), dim=1)
        draw.centred_conv(f"{prefix}.skip_connection", halves, size=1)


def _transformer(draw: Draw, prefix: str, depth: int, shape: UNetShape) -> None:
    draw.norm(f"{prefix}.norm", CHANNELS)
    for name, gain in (("proj_in", 1.0), ("proj_out", BRANCH_GAIN)):
        if shape.linear_projections:
            draw.linear(f"{prefix}.{name}", CHANNELS, CHANNELS, gain)
        else:
            draw.conv(f"{prefix}.{name}", CHANNELS, CHANNELS, size=1, gain=gain)
    for block in range(depth):
        inner = f"{prefix}.transformer_blocks.{block}"
        for attention, context in (("attn1", CHANNELS), ("attn2", shape.text_channels)):
            draw.linear(f"{inner}.{attention}.to_q", CHANNELS, CHANNELS, bias=False)
            draw.linear(f"{inner}.{attention}.to_k", context, CHANNELS, bias=False)
            draw.linear(f"{inner}.{attention}.to_v", context, CHANNELS, bias=False)
            draw.linear(f"{inner}.{attention}.to_out.0", CHANNELS, CHANNELS, gain=BRANCH_GAIN)
        draw.linear(f"{inner}.ff.net.0.proj", CHANNELS, 8 * CHANNELS)
        draw.linear(f"{inner}.ff.net.2", 4 * CHANNELS, CHANNELS, gain=BRANCH_GAIN)
        for norm in ("norm1", "norm2", "norm3"):
            draw.norm(f"{inner}.{norm}", CHANNELS)


def _mirrored_pairs(draw: Draw, latent_channels: int) -> tuple[Tensor, Tensor]:
    """Matrices into [320, c] and out of [c, 320] the channels, such that out · SiLU(into · x) = x.

    Channels come in pairs a, -a, since SiLU(a) - SiLU(-a) = a: the activation before the last layer cancels out.
    """
    directions = draw.normal(CHANNELS // 2, latent_channels)
    directions /= directions.norm(dim=1, keepdim=True)
    into = torch.stack([directions, -directions], dim=1).reshape(CHANNELS, latent_channels)
    back = torch.linalg.pinv(directions)
    return into, torch.stack([back, -back], dim=2).reshape(latent_channels, CHANNELS)


def _averaging() -> Tensor:
    """A strided 3x3 convolution [320, 320, 3, 3] that averages 2x2 places, channel by channel."""
    weight = torch.zeros(CHANNELS, CHANNELS, 3, 3)
    weight[:, :, 1:, 1:] = torch.eye(CHANNELS)[:, :, None, None] / 4
    return weight
