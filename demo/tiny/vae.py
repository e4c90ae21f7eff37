"""A hand-made tiny autoencoder (the TAESD layout, which ComfyUI accepts inside a checkpoint in place of a full VAE).

No training: the encoder averages 8x8 pixels and stretches the three colours to latents of deviation about 1; the
decoder does the reverse and smooths between neighbours. A picture survives as a soft miniature of itself, so latents
mean something, and what a LoRA learns can be seen. Channels beyond the colours hold local contrast.
"""

import torch
from torch import Tensor

from .draw import Draw

WIDTH = 64
CONTRAST = 3.0  # colours lie in 0..1 around 0.5; times three their deviation is near 1
DOWN, UP = (2, 6, 10), (7, 12, 17)
ENCODER_BLOCKS, DECODER_BLOCKS = (1, 3, 4, 5, 7, 8, 9, 11, 12, 13), (3, 4, 5, 8, 9, 10, 13, 14, 15, 18)
# Luminance, blue-yellow and red-green, as orthonormal rows over (r, g, b).
COLOURS = torch.tensor([[1.0, 1.0, 1.0], [-1.0, -1.0, 2.0], [1.0, -1.0, 0.0]])
COLOURS /= COLOURS.norm(dim=1, keepdim=True)


def vae_weights(seed: int, latent_channels: int, scale: float, shift: float = 0.0) -> dict[str, Tensor]:
    """The state dict in fp32. `scale` and `shift` are the family's: raw latent = latent / scale + shift."""
    draw = Draw(seed, torch.float32)
    _encoder(draw, latent_channels)
    _decoder(draw, latent_channels)
    draw.put("vae_scale", torch.tensor(scale))
    draw.put("vae_shift", torch.tensor(shift))
    return draw.weights


def _encoder(draw: Draw, latent_channels: int) -> None:
    prefix = "taesd_encoder"
    draw.centred_conv(f"{prefix}.0", torch.eye(WIDTH, 3))
    for index in DOWN:
        weight = torch.zeros(WIDTH, WIDTH, 3, 3)
        weight[:, :, 1:, 1:] = torch.eye(WIDTH)[:, :, None, None] / 4
        draw.put(f"{prefix}.{index}.weight", weight)
    for index in ENCODER_BLOCKS:
        _quiet_block(draw, f"{prefix}.{index}")
    last = torch.zeros(latent_channels, WIDTH, 3, 3)
    last[:3, :3, 1, 1] = CONTRAST * COLOURS
    # A kernel whose taps sum to zero sees only contrast: the difference between places, not their level.
    kernels = draw.normal(latent_channels - 3, 3, 3, 3)
    last[3:, :3] = CONTRAST * (kernels - kernels.mean(dim=(2, 3), keepdim=True)) / 2
    bias = torch.zeros(latent_channels)
    bias[:3] = -CONTRAST * COLOURS.sum(dim=1) / 2
    draw.put(f"{prefix}.14.weight", last)
    draw.put(f"{prefix}.14.bias", bias)


def _decoder(draw: Draw, latent_channels: int) -> None:
    prefix = "taesd_decoder"
    first = torch.zeros(WIDTH, latent_channels)
    first[:3, :3] = COLOURS.T / CONTRAST
    draw.centred_conv(f"{prefix}.1", first)
    draw.weights[f"{prefix}.1.bias"][:3] = 0.5
    smoothing = torch.tensor([[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]]) / 16
    for index in UP:
        draw.put(f"{prefix}.{index}.weight", torch.eye(WIDTH)[:, :, None, None] * smoothing)
    for index in DECODER_BLOCKS:
        _quiet_block(draw, f"{prefix}.{index}")
    draw.centred_conv(f"{prefix}.19", torch.eye(3, WIDTH))


def _quiet_block(draw: Draw, prefix: str) -> None:
    """A residual block whose branch is off: it hands on its (never negative) input."""
    for layer, gain in ((0, 1.0), (2, 1.0), (4, 0.0)):
        draw.conv(f"{prefix}.conv.{layer}", WIDTH, WIDTH, gain=gain)
