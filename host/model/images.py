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
            if getattr(self._vae, "latent_dim", 2) < 3:
                return self._vae.encode(pixels).float().cpu()
            # A VAE with a time axis takes a batch of pictures for the frames of one video.
            return torch.cat([self._vae.encode(picture[None]).float().cpu() for picture in pixels])
