"""What edit models are tried on: tiny ones of every family that takes references, a VAE and a CLIP that are quick, and pictures."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import torch

from pack.tests.comfy.tiny_models import TRAINED, Tiny

#: Of tiny_models, those whose class takes references.
FAMILIES = tuple(tiny for tiny in TRAINED if tiny.name in ("Flux", "Flux2", "QwenImage", "Omnigen2"))


def picture(width: int, height: int, seed: int) -> torch.Tensor:
    """(1, h, w, 3) in 0..1: eight-bit noise."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (1, height, width, 3), generator=generator) / 255


class Vae:
    """Averages of `scale` x `scale` pixels, repeated over the channels of the family's latents, each with a weight of its own."""

    vae_dtype, latent_dim = torch.float32, 2

    def __init__(self, comfy, tiny: Tiny):
        self.latent_channels, *time, _, _ = tiny.latent
        self._time = bool(time)
        self._scale = 16 if self.latent_channels == 128 else 8
        self.patcher = _patcher(comfy)
        self.encoded: list[tuple[int, ...]] = []

    def spacial_compression_encode(self) -> int:
        return self._scale

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        self.encoded.append(tuple(pixels.shape))
        grey = torch.nn.functional.avg_pool2d(pixels.float().mean(-1)[:, None], self._scale) * 2 - 1
        latent = grey * torch.linspace(-1, 1, self.latent_channels)[None, :, None, None]
        return latent[:, :, None] if self._time else latent

    def decode(self, latent: torch.Tensor) -> torch.Tensor:
        flat = latent.reshape(latent.shape[0], latent.shape[1], -1, *latent.shape[-2:])[:, :3, 0]
        return torch.nn.functional.interpolate(flat, scale_factor=self._scale).movedim(1, -1).sigmoid()


@dataclass(frozen=True)
class Tokens:
    text: str
    pictures: tuple
    template: str | None


class Clip:
    """Reads letters, and the mean and size of every picture; asks for what text encoders with eyes are asked for."""

    layer_idx, tokenizer_options = None, {}

    def __init__(self, comfy, tiny: Tiny):
        self._tiny = tiny
        self.tokenizer = SimpleNamespace()
        self.patcher = _patcher(comfy)
        self.seen: list[Tokens] = []

    def tokenize(self, text: str, return_word_ids: bool = False, images=(), llama_template=None) -> Tokens:
        return Tokens(text.replace("\\(", "(").replace("\\)", ")"), tuple(images), llama_template)

    def encode_from_tokens(self, tokens: Tokens, return_pooled: bool = False, return_dict: bool = False):
        self.seen.append(tokens)
        number = sum(map(ord, tokens.text + (tokens.template or ""))) + sum(int(image.sum() * 10) for image in tokens.pictures)
        generator = torch.Generator().manual_seed(number)
        made = {
            name: torch.ones(shape, dtype=torch.int64) if "mask" in name else torch.randn(shape, generator=generator)
            for name, shape in self._tiny.text.items()
        }
        return {"pooled_output": None, **made} if return_dict else made["cond"]

    def encode_from_tokens_scheduled(self, tokens: Tokens) -> list:
        entries = self.encode_from_tokens(tokens, return_dict=True)
        return [[entries.pop("cond"), entries]]


def _patcher(comfy):
    device = torch.device("cpu")
    return comfy.module("comfy.model_patcher").ModelPatcher(torch.nn.Linear(2, 2), load_device=device, offload_device=device)
