"""References, and the captions beside them, as the engine asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ...training.data.conditions import text_condition
from ...training.protocols import TextCondition
from ..model.images import ComfyImageEncoder
from ..model.text import ComfyTextEncoder, literal_tokens
from .ways import Way


class ComfyReferenceEncoder:
    """ReferenceEncoder on a VAE of the graph; `images` encodes the pictures that are trained with the same VAE."""

    def __init__(self, way: Way, vae: Any, images: ComfyImageEncoder):
        self._way = way
        self._vae = vae
        self.identity = f"{images.identity} {way.node}"
        self.looks = way.looks
        self.follows_target = way.follows_target
        self.extras = way.extras

    def encode(self, picture: torch.Tensor, target: tuple[int, int]) -> torch.Tensor:
        with torch.inference_mode():
            (latent,) = self._way.latents(self._vae, picture, target)
            return latent.float().cpu()


class IllustratedTextEncoder(ComfyTextEncoder):
    """TextEncoder of a family whose text encoder sees the references too."""

    def __init__(self, clip: Any, way: Way):
        super().__init__(clip)
        self._way = way
        self.identity = f"{self.identity} {way.node}"

    def encode(self, text: str, pictures: Sequence[torch.Tensor] = ()) -> TextCondition:
        if not pictures:
            return super().encode(text)
        with torch.inference_mode():
            positive, _ = self._way.texts(_Literal(self._clip), text, None, pictures, (0, 0))
        ((cond, entries),) = positive
        return text_condition({**entries, "cond": cond})


class _Literal:
    """The CLIP for a node: what it is told to read is read literally."""

    def __init__(self, clip: Any):
        self._clip = clip

    def tokenize(self, text: str, **options: Any) -> dict:
        return literal_tokens(self._clip, text, **options)

    def encode_from_tokens_scheduled(self, tokens: dict) -> list:
        entries = dict(self._clip.encode_from_tokens(tokens, return_pooled=True, return_dict=True))
        return [[entries.pop("cond"), entries]]
