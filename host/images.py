"""Pictures through the graph's own VAE."""

from __future__ import annotations

import torch

from . import fingerprint


class ComfyImageEncoder:
    """ImageEncoder on a VAE of the graph."""

    def __init__(self, vae):
        self._vae = vae
        self.identity = fingerprint.of_patcher(vae.patcher, str(vae.vae_dtype))
        self.downscale = vae.spacial_compression_encode()
        self.channels = vae.latent_channels

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            return self._vae.encode(pixels).float().cpu()
