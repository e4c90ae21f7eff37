"""What edit models are tried on: tiny ones of every family that takes references, a VAE and a CLIP that are quick, and pictures."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import torch

from pack.tests.comfy.tiny_models import FLUX, TOKENS, TRAINED, Tiny, cond

_MASK = {"attention_mask": (1, TOKENS)}
#: Those that 0.3.75 does not have.
_NEWER = (
    Tiny("LongCatImage", FLUX | {"guidance_embed": False, "vec_in_dim": None, "txt_ids_dims": [1, 2]}, latent=(16, 8, 8), text=cond(24)),
    Tiny("Boogu", {
        "image_model": "boogu", "patch_size": 2, "in_channels": 16, "hidden_size": 64, "num_layers": 1, "num_double_stream_layers": 1,
        "num_refiner_layers": 1, "num_attention_heads": 2, "num_kv_heads": 1, "multiple_of": 32, "axes_dim_rope": (8, 12, 12),
        "axes_lens": (64, 64, 64), "instruction_feat_dim": 24}, latent=(16, 8, 8), text=cond(24, **_MASK)),
    Tiny("MageFlow", {
        "image_model": "mage_flow", "in_channels": 128, "out_channels": 128, "num_layers": 1, "attention_head_dim": 32,
        "num_attention_heads": 2, "joint_attention_dim": 24, "axes_dims_rope": (8, 12, 12)}, latent=(128, 4, 4), text=cond(24, **_MASK)),
    Tiny("JoyImage", {
        "image_model": "joyimage", "in_channels": 16, "hidden_size": 256, "patch_size": [1, 2, 2], "num_layers": 1,
        "num_attention_heads": 2, "text_dim": 24}, latent=(16, 1, 8, 8), text=cond(24)),
    Tiny("Krea2", {
        "image_model": "krea2", "features": 64, "tdim": 32, "txtdim": 24, "heads": 2, "kvheads": 1, "layers": 1, "txtlayers": 2,
        "txtheads": 2, "txtkvheads": 1}, latent=(16, 1, 8, 8), text=cond(48)),
)
#: Of tiny_models, those whose class takes references; and newer ones.
FAMILIES = (*(tiny for tiny in TRAINED if tiny.name in ("Flux", "Flux2", "QwenImage", "Omnigen2")), *_NEWER)


def picture(width: int, height: int, seed: int) -> torch.Tensor:
    """(1, h, w, 3) in 0..1: eight-bit noise."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (1, height, width, 3), generator=generator) / 255


def shrink(comfy, monkeypatch) -> None:
    """A megapixel is more than a tiny model needs: every node that brings pictures to such a size makes an eighth of its sides."""
    utils = comfy.module("comfy.utils")
    real = utils.common_upscale

    def scaled(samples, width, height, method, crop):
        less = 8 if width * height > 2**19 else 1
        return real(samples, width // (16 * less) * 16, height // (16 * less) * 16, method, crop)

    monkeypatch.setattr(utils, "common_upscale", scaled)


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
