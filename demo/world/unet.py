"""The UNet of Stable Diffusion 1.x in few blocks, with the names of the original (LDM) files, to be trained without ComfyUI.

ComfyUI fixes 320 channels, texts of 768 and 8 heads; the number of levels, blocks and transformers it reads from the file.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CHANNELS, TEXT, HEADS, TIME = 320, 768, 8, 1280


@dataclass(frozen=True)
class Shape:
    """Numbers of transformers after every residual block. levels: going in. out: coming out, one block more a level, the smallest first.

    middle: None for no middle.
    """

    levels: tuple[tuple[int, ...], ...] = ((0,), (1,))
    middle: int | None = None
    out: tuple[tuple[int, ...], ...] = ((1, 1), (0, 0))


class Attention(nn.Module):
    def __init__(self, context: int):
        super().__init__()
        self.to_q = nn.Linear(CHANNELS, CHANNELS, bias=False)
        self.to_k = nn.Linear(context, CHANNELS, bias=False)
        self.to_v = nn.Linear(context, CHANNELS, bias=False)
        self.to_out = nn.Sequential(nn.Linear(CHANNELS, CHANNELS))

    def forward(self, x: Tensor, context: Tensor, bias: Tensor | None) -> Tensor:
        def heads(tensor: Tensor) -> Tensor:
            return tensor.unflatten(2, (HEADS, -1)).transpose(1, 2)

        q, k, v = heads(self.to_q(x)), heads(self.to_k(context)), heads(self.to_v(context))
        mixed = F.scaled_dot_product_attention(q, k, v, None if bias is None else bias.to(q.dtype))
        return self.to_out(mixed.transpose(1, 2).flatten(2))


class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(CHANNELS, 8 * CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.proj(x).chunk(2, dim=-1)
        return value * F.gelu(gate)


class FeedForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(Gated(), nn.Identity(), nn.Linear(4 * CHANNELS, CHANNELS))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class TransformerBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(CHANNELS) for _ in range(3))
        self.attn1, self.attn2, self.ff = Attention(CHANNELS), Attention(TEXT), FeedForward()

    def forward(self, x: Tensor, context: Tensor, bias: Tensor) -> Tensor:
        inner = self.norm1(x)
        x = x + self.attn1(inner, inner, None)
        x = x + self.attn2(self.norm2(x), context, bias)
        return x + self.ff(self.norm3(x))


class Transformer(nn.Module):
    def __init__(self, depth: int):
        super().__init__()
        self.norm = nn.GroupNorm(32, CHANNELS, eps=1e-6)
        self.proj_in, self.proj_out = nn.Conv2d(CHANNELS, CHANNELS, 1), _quiet(nn.Conv2d(CHANNELS, CHANNELS, 1))
        self.transformer_blocks = nn.ModuleList(TransformerBlock() for _ in range(depth))

    def forward(self, x: Tensor, _time: Tensor, context: Tensor, bias: Tensor) -> Tensor:
        inner = self.proj_in(self.norm(x))
        inner, sides = inner.flatten(2).transpose(1, 2), x.shape[2:]
        for block in self.transformer_blocks:
            inner = block(inner, context, bias)
        return x + self.proj_out(inner.transpose(1, 2).unflatten(2, sides))


class Residual(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.in_layers = nn.Sequential(nn.GroupNorm(32, channels), nn.SiLU(), nn.Conv2d(channels, CHANNELS, 3, padding=1))
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(TIME, CHANNELS))
        last = _quiet(nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1))
        self.out_layers = nn.Sequential(nn.GroupNorm(32, CHANNELS), nn.SiLU(), nn.Identity(), last)
        self.skip_connection = nn.Identity() if channels == CHANNELS else nn.Conv2d(channels, CHANNELS, 1)

    def forward(self, x: Tensor, time: Tensor, _context: Tensor, _bias: Tensor) -> Tensor:
        inner = self.in_layers(x) + self.emb_layers(time)[:, :, None, None]
        return self.skip_connection(x) + self.out_layers(inner)


class Down(nn.Module):
    def __init__(self):
        super().__init__()
        self.op = nn.Conv2d(CHANNELS, CHANNELS, 3, stride=2, padding=1)

    def forward(self, x: Tensor, *_rest: Tensor) -> Tensor:
        return self.op(x)


class Up(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)

    def forward(self, x: Tensor, *_rest: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class First(nn.Conv2d):
    """The first convolution, called like a block."""

    def forward(self, x: Tensor, *_rest: Tensor) -> Tensor:
        return super().forward(x)


class Block(nn.ModuleList):
    """Parts, one after the other."""

    def forward(self, x: Tensor, *rest: Tensor) -> Tensor:
        for part in self:
            x = part(x, *rest)
        return x


def _quiet(layer: nn.Conv2d) -> nn.Conv2d:
    """A layer that says nothing at first."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def _block(channels: int, depth: int) -> list[nn.Module]:
    return [Residual(channels), *([Transformer(depth)] if depth else [])]


class UNet(nn.Module):
    """Predicts the noise in `x` [n, 4, h, w] (of unit variance) at the steps `t` [n] of 0 to 999, for texts [n, l, 768].

    bias [n, 1, 1, l] is added to the scores of the text's places: see text.py. Sides must be even for two levels.
    """

    def __init__(self, shape: Shape):
        super().__init__()
        self.time_embed = nn.Sequential(nn.Linear(CHANNELS, TIME), nn.SiLU(), nn.Linear(TIME, TIME))
        blocks: list[list[nn.Module]] = [[First(4, CHANNELS, 3, padding=1)]]
        for level, depths in enumerate(shape.levels):
            blocks += [_block(CHANNELS, depth) for depth in depths]
            if level + 1 < len(shape.levels):
                blocks.append([Down()])
        self.input_blocks = nn.ModuleList(Block(block) for block in blocks)
        middle = [] if shape.middle is None else [*_block(CHANNELS, shape.middle), Residual(CHANNELS)]
        self.middle_block = Block(middle) if middle else None
        blocks = [_block(2 * CHANNELS, depth) for depths in shape.out for depth in depths]
        last = -1
        for depths in shape.out[:-1]:
            last += len(depths)
            blocks[last].append(Up())
        self.output_blocks = nn.ModuleList(Block(block) for block in blocks)
        self.out = nn.Sequential(nn.GroupNorm(32, CHANNELS), nn.SiLU(), _quiet(nn.Conv2d(CHANNELS, 4, 3, padding=1)))

    def forward(self, x: Tensor, t: Tensor, context: Tensor, bias: Tensor) -> Tensor:
        time = self.time_embed(sinusoids(t, CHANNELS))
        kept = []
        for block in self.input_blocks:
            x = block(x, time, context, bias)
            kept.append(x)
        if self.middle_block is not None:
            x = self.middle_block(x, time, context, bias)
        for block in self.output_blocks:
            x = block(torch.cat([x, kept.pop()], dim=1), time, context, bias)
        return self.out(x)


def sinusoids(t: Tensor, width: int) -> Tensor:
    """Cosines, then sines, of `t` [n] at `width` / 2 frequencies from 1 down to 1/10000: [n, width]."""
    frequencies = torch.exp(-math.log(10000) * torch.arange(width // 2, device=t.device) / (width // 2))
    angles = t.float()[:, None] * frequencies[None]
    return torch.cat([angles.cos(), angles.sin()], dim=1)
