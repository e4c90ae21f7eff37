"""Tiny models with a family's names, as parts that adapters can go on."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext

import torch
from torch import nn

from pack.training.families import CLIP_BLOCKS
from pack.training.parts import GENERIC, Blocks, Trainable


class PlainWeights:
    """WeightAccess for torch's own layers, which multiply by the weight itself."""

    dtype = torch.float32

    def weight(self, module, dtype):
        return module.weight.detach().to(dtype)

    def bias(self, module, dtype):
        return None if module.bias is None else module.bias.detach().to(dtype)

    @contextmanager
    def changed(self, module, changes):
        before = {name: module._parameters[name] for name in changes}
        module._parameters.update({name: change(before[name]) for name, change in changes.items()})
        try:
            yield
        finally:
            module._parameters.update(before)

    def can_recast(self, module):
        return False


class Cast(nn.Linear):
    """A linear that computes in its input's dtype, like ComfyUI's layers do."""

    def forward(self, x):
        return nn.functional.linear(x, self.weight.to(x.dtype), self.bias.to(x.dtype))


class CastConv(nn.Conv2d):
    def forward(self, x):
        return self._conv_forward(x, self.weight.to(x.dtype), self.bias.to(x.dtype))


class CastWeights(PlainWeights):
    def can_recast(self, module):
        return isinstance(module, (Cast, CastConv))

    recasts = can_recast

    def at_hand(self, module):
        return nullcontext()

    def in_fp8(self, module):
        return None


class Block(nn.Module):
    """A residual block: norm, q, out and a feed-forward of two linears."""

    def __init__(self, width: int = 8, linear=nn.Linear):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attn1 = nn.ModuleDict({"to_q": linear(width, width), "to_out": nn.ModuleList([linear(width, width)])})
        self.ff = nn.Sequential(linear(width, 2 * width), nn.GELU(), linear(2 * width, width))

    def forward(self, x):
        x = x + self.attn1["to_out"][0](torch.tanh(self.attn1["to_q"](self.norm(x))))
        return x + self.ff(x)


class Tower(nn.Module):
    """layers.0 to layers.n-1 between an input and an output linear."""

    def __init__(self, depth: int = 3, width: int = 8, linear=nn.Linear):
        super().__init__()
        self.proj_in = linear(4, width)
        self.layers = nn.ModuleList([Block(width, linear) for _ in range(depth)])
        self.proj_out = linear(width, 4)

    def forward(self, x):
        x = self.proj_in(x)
        for layer in self.layers:
            x = layer(x)
        return self.proj_out(x)


class Convolutions(nn.Module):
    """blocks.0 with a strided 3x3, a 1x1 and a linear on the channels: (B, 3, H, W) -> (B, 5)."""

    def __init__(self, conv=nn.Conv2d, linear=nn.Linear):
        super().__init__()
        self.blocks = nn.ModuleList([nn.ModuleDict({
            "conv": conv(3, 6, 3, stride=2, padding=1), "point": conv(6, 6, 1), "linear": linear(6, 5),
        })])

    def forward(self, x):
        block = self.blocks[0]
        x = torch.tanh(block["point"](torch.tanh(block["conv"](x))))
        return block["linear"](x.flatten(2).mean(-1))


def part_of(model: nn.Module, name: str = "diffusion_model", weights=None, blocks: Blocks | None = None) -> Trainable:
    """Every weight of `model` has a key: diffusion_model.<path>."""
    blocks = blocks or (GENERIC if name == "diffusion_model" else CLIP_BLOCKS)
    keys = {path: f"{name}.{path}" for path, module in model.named_modules() if getattr(module, "weight", None) is not None}
    return Trainable(name=name, module=model.requires_grad_(False), file_keys=keys, weights=weights or PlainWeights(), blocks=blocks)


def randomise(network, seed: int = 0, scale: float = 0.3) -> None:
    """Give every trainable parameter a value, so that every gradient is alive and the change is visible."""
    generator = torch.Generator().manual_seed(seed)
    for _, parameter in network.named_parameters():
        parameter.data.normal_(0, scale, generator=generator)
