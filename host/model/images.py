"""Pictures and clips through the graph's own VAE."""

from __future__ import annotations

from collections.abc import Callable

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
            if pixels.ndim == 5:
                used = frames_taken(self._vae, pixels.shape[1])
                return torch.cat([self._vae.encode(clip[:used]).float().cpu() for clip in pixels])
            if not _has_time(self._vae):
                return self._vae.encode(pixels).float().cpu()
            # A VAE with a time axis takes a batch of pictures for the frames of one video.
            return torch.cat([self._vae.encode(picture[None]).float().cpu() for picture in pixels])


def takes_clips(vae) -> bool:
    """Whether the VAE sees a batch of pictures as the frames of one video, and shortens it."""
    return _has_time(vae) and not getattr(vae, "not_video", False) and _time_ratio(vae) is not None


def frames_taken(vae, frames: int) -> int:
    """How many of a clip's frames the VAE makes latents of: the largest count of its own (1, 5, 9, ... for Wan) that the clip has.
    It would pass over the rest."""
    latents = _time_ratio(vae)
    if latents is None:
        return frames
    return max((count for count in range(1, frames + 1) if latents(count) > latents(count - 1)), default=1)


def _has_time(vae) -> bool:
    return getattr(vae, "latent_dim", 2) >= 3


def _time_ratio(vae) -> Callable[[int], int] | None:
    """ComfyUI's formula, frames -> latents; None where there is none."""
    ratio = vae.downscale_ratio
    return ratio[0] if isinstance(ratio, tuple) else None
