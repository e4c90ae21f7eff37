"""Samples of a World fresh from training, and how many of them show what was asked. What is shipped is measured by score.py."""

import random

import torch
from torch import Tensor

from .diffusion import sample
from .drawn.captions import caption, tokens
from .drawn.cards import card_of, held_out
from .judge import NAMES, Judge
from .learn_unet import World
from .vae import VAE

STEPS, CFG = 24, 4.0


@torch.no_grad()
def pictures(world: World, vae: VAE, texts: list[str], seed: int, bf16: bool) -> Tensor:
    """A picture [3, 128, 128] of 0 to 1 for each text."""
    device = world.text.rows.device
    context, bias = world.text([tokens(text) for text in texts] + [[] for _ in texts])

    def predict(x: Tensor, t: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            both = world.unet(torch.cat([x, x]).contiguous(memory_format=torch.channels_last), torch.cat([t, t]), context, bias)
        asked, unasked = both.float().chunk(2)
        return unasked + CFG * (asked - unasked)

    start = torch.randn(len(texts), 4, 16, 16, generator=torch.Generator().manual_seed(seed)).to(device)
    return torch.cat([vae.decode(part).clamp(0, 1) for part in sample(predict, start, STEPS).split(64)])


def score(world: World, vae: VAE, judge: Judge, count: int, seed: int, bf16: bool) -> tuple[dict[str, float], Tensor]:
    """The shares of `count` held-out combinations whose samples are right in each of NAMES and in "all"; and the pictures."""
    numbers = random.Random(seed)
    asked = (held_out() * (count // len(held_out()) + 1))[:count]
    cards = [card_of(combination, numbers) for combination in asked]
    found = torch.cat([
        pictures(world, vae, [caption(card) for card in cards[start : start + 128]], seed + start, bf16)
        for start in range(0, count, 128)
    ])  # fmt: skip
    return shares(cards, judge.says(found)), found


def shares(cards: list, said: list[dict[str, str]]) -> dict[str, float]:
    """How many of the answers are right, as shares: of each of NAMES, and of "all" three together."""
    right = [{name: getattr(card, name) == answer[name] for name in NAMES} for card, answer in zip(cards, said)]
    found = {name: sum(each[name] for each in right) / len(right) for name in NAMES}
    return found | {"all": sum(all(each.values()) for each in right) / len(right)}
