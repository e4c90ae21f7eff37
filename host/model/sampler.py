"""Preview pictures with ComfyUI's own samplers, on the model as it stands: whatever is attached to it counts.

Made exactly as CLIPTextEncode, EmptyLatentImage, KSampler and VAEDecode would make them, so that a preview equals
LoraLoader with the saved file afterwards, up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import comfy.sample
import comfy.samplers
import torch

from ...training.specs import SamplingSpec
from ..lend import notes

SAMPLERS: list[str] = comfy.samplers.KSampler.SAMPLERS
SCHEDULERS: list[str] = comfy.samplers.KSampler.SCHEDULERS


class ComfySampler:
    """`patcher`, `clip` and `vae` are those of the graph; `illustrated(clip, vae, prompt, negative, references, size)` makes
    (positive, negative) where there are references."""

    def __init__(self, patcher, clip, vae, illustrated: Callable[..., tuple[list, list]] | None = None):
        self._illustrated = illustrated
        self._patcher = patcher
        self._clip = clip
        self._vae = vae

    def sample(self, spec: SamplingSpec, prompt: str, seed: int, references: Sequence[torch.Tensor] = ()) -> torch.Tensor:
        """(1, h, w, 3) in 0..1. ComfyUI's prompt syntax works in the prompt, as it does in CLIPTextEncode."""
        with torch.inference_mode():
            positive, negative = self._conditions(spec, prompt, references)
            latent = comfy.sample.fix_empty_latent_channels(self._patcher, self._empty_latent(spec))
            noise = comfy.sample.prepare_noise(latent, seed)
            notes.empty(self._patcher.model.diffusion_model)
            samples = comfy.sample.sample(
                self._patcher, noise, spec.sampling_steps, spec.cfg, spec.sampler_name, spec.scheduler,
                positive, negative, latent, seed=seed, disable_pbar=True,
            )
            pictures = self._vae.decode(samples)
            return pictures.reshape(-1, *pictures.shape[-3:]).float().cpu().clamp(0, 1)

    def decode_nothing(self, spec: SamplingSpec) -> torch.Tensor:
        """As `sample` ends, with an empty latent."""
        latent, latent_format = self._empty_latent(spec), self._patcher.get_model_object("latent_format")
        with torch.inference_mode():  # ComfyUI's own way to the time axis looks at the numbers, and fakes have none
            picture = self._vae.decode(latent.unsqueeze(2) if latent_format.latent_dimensions == 3 else latent)
            return picture.reshape(-1, *picture.shape[-3:])

    def _conditions(self, spec: SamplingSpec, prompt: str, references: Sequence[torch.Tensor]) -> tuple[list, list]:
        if references and self._illustrated:
            size = spec.width, spec.height
            return self._illustrated(self._clip, self._vae, prompt, spec.negative, references, size)
        return self._encode(prompt), self._encode(spec.negative)

    def _encode(self, text: str) -> list:
        return self._clip.encode_from_tokens_scheduled(self._clip.tokenize(text))

    def _empty_latent(self, spec: SamplingSpec) -> torch.Tensor:
        scale = self._vae.spacial_compression_encode()
        channels = self._patcher.get_model_object("latent_format").latent_channels
        return torch.zeros(1, channels, spec.height // scale, spec.width // scale)
