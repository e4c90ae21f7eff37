"""The training pictures as the UNet sees them: latents by shape, and several captions of each, as token numbers."""

import random
from dataclasses import dataclass

import torch
from torch import Tensor

from .drawn.captions import strewn, tokens, varied
from .drawn.cards import SHAPES, cards, taught
from .drawn.drawing import draw_all
from .text import padded
from .vae import VAE

CAPTIONS = 6  # of each picture
EMPTY, STREWN = 0.1, 0.25  # shares of captions that are empty (for guidance), and that hold unknown words


@dataclass(frozen=True)
class Page:
    """Pictures of one shape, on the device: latents [n, 4, h, w]; tokens [n, CAPTIONS, l] and their bias [n, CAPTIONS, 1, 1, l]."""

    latents: Tensor
    tokens: Tensor
    bias: Tensor


def album(vae: VAE, count: int, seed: int, device: torch.device, workers: int | None) -> list[tuple[float, Page]]:
    """Pages with how often each is opened; `count` pictures of the taught combinations in all."""
    texts: list[list[int]] = []
    latents: list[Tensor] = []
    for number, (shape, share) in enumerate(SHAPES.items()):
        chosen = cards(round(count * share), seed + number, taught())
        drawn = torch.from_numpy(draw_all(chosen, shape, workers)).permute(0, 3, 1, 2)
        latents.append(encoded(vae, drawn, device))
        numbers = random.Random(seed + number)
        texts += [_caption(varied(card, numbers), numbers) for card in chosen for _ in range(CAPTIONS)]
    ids, bias = padded(texts)  # of one length for all pages
    sizes = [len(each) * CAPTIONS for each in latents]
    return [
        (share, Page(each, some.unflatten(0, (-1, CAPTIONS)).to(device), counts.unflatten(0, (-1, CAPTIONS)).to(device)))
        for share, each, some, counts in zip(SHAPES.values(), latents, ids.split(sizes), bias.split(sizes))
    ]


def _caption(text: str, numbers: random.Random) -> list[int]:
    kind = numbers.random()
    if kind < EMPTY:
        return []
    return strewn(numbers, tokens(text)) if kind < EMPTY + STREWN else tokens(text)


@torch.no_grad()
def encoded(vae: VAE, pictures: Tensor, device: torch.device) -> Tensor:
    """Latents of uint8 pictures [n, 3, h, w], in portions."""
    return torch.cat([vae.encode(part.to(device).float() / 255) for part in pictures.split(64)])
