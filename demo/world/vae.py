"""The small autoencoder of the world, in TAESD's layout, which ComfyUI takes inside a checkpoint: 8x smaller, 4 channels.

Of the layout's blocks only some are trained; the others pass their input through, which costs nothing here, and are zeros in the file.
"""

import torch
from torch import Tensor, nn

WIDTH, LATENT, SCALE = 64, 4, 0.18215  # SCALE: what ComfyUI multiplies SD1.5's latents by
ENCODER = {3: "block", 7: "block", 8: "block", 11: "block", 12: "block", 13: "block", 2: "down", 6: "down", 10: "down"}
ENCODER_QUIET = (1, 4, 5, 9)
DECODER = {3: "block", 4: "block", 5: "block", 8: "block", 9: "block", 13: "block", 7: "after up", 12: "after up", 17: "after up"}
DECODER_QUIET = (10, 14, 15, 18)
BLOCK_CONVS = (0, 2, 4)
CONTRAST = 3.0  # colours deviate by about a third; latents should by 1


def _conv(inputs: int, outputs: int, **options) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, **options)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Sequential(_conv(WIDTH, WIDTH), nn.ReLU(), _conv(WIDTH, WIDTH), nn.ReLU(), _conv(WIDTH, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.conv(x) + x)


class Clamp(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x / 3) * 3


def _encoder() -> nn.Sequential:
    layers: list[nn.Module] = [_conv(3, WIDTH), *(nn.ReLU() for _ in range(13)), _conv(WIDTH, LATENT)]
    for index, kind in ENCODER.items():
        layers[index] = Block() if kind == "block" else _conv(WIDTH, WIDTH, stride=2, bias=False)
    return nn.Sequential(*layers)


def _decoder() -> nn.Sequential:
    layers: list[nn.Module] = [Clamp(), _conv(LATENT, WIDTH), *(nn.ReLU() for _ in range(17)), _conv(WIDTH, 3)]
    for index, kind in DECODER.items():
        layers[index] = Block() if kind == "block" else _conv(WIDTH, WIDTH, bias=False)
        if kind == "after up":
            layers[index - 1] = nn.Upsample(scale_factor=2)
    return nn.Sequential(*layers)


class VAE(nn.Module):
    """Pictures [n, 3, h, w] of 0 to 1 to latents [n, 4, h/8, w/8] of deviation about 1, and back."""

    def __init__(self):
        super().__init__()
        self.taesd_encoder, self.taesd_decoder = _encoder(), _decoder()
        with torch.no_grad():
            _start(self)

    def encode(self, pictures: Tensor) -> Tensor:
        return self.taesd_encoder(pictures)

    def decode(self, latents: Tensor) -> Tensor:
        return self.taesd_decoder(latents)


def _start(vae: VAE) -> None:
    """Begin as a soft miniature: three channels carry the colours, averaged over 8x8 pixels; the others are left to chance."""
    colours = torch.tensor([[1.0, 1.0, 1.0], [-1.0, -1.0, 2.0], [1.0, -1.0, 0.0]])
    colours /= colours.norm(dim=1, keepdim=True)
    for module in vae.modules():
        if isinstance(module, Block):
            for parameter in module.conv[4].parameters():
                nn.init.zeros_(parameter)
    first, *downs, last = (layer for layer in vae.taesd_encoder if isinstance(layer, nn.Conv2d))
    _pass_on(first, torch.eye(3), 1)
    for down in downs:
        _pass_on(down, torch.eye(3), 2)
    _pass_on(last, CONTRAST * colours, 1, -CONTRAST * colours.sum(dim=1) / 2)
    first, *ups, last = (layer for layer in vae.taesd_decoder if isinstance(layer, nn.Conv2d))
    _pass_on(first, colours.T / CONTRAST, 1, torch.full((3,), 0.5))
    for up in ups:
        _pass_on(up, torch.eye(3), 3)
    _pass_on(last, torch.eye(3), 1)
    last.weight[:, 3:] *= 0.1


def _pass_on(conv: nn.Conv2d, matrix: Tensor, size: int, bias: Tensor | None = None) -> None:
    """Let the first outputs of a 3x3 convolution be `matrix` times the first inputs, averaged over size x size places, plus `bias`."""
    outputs, inputs = matrix.shape
    conv.weight[:outputs] = 0.0
    place = slice(1, 1 + size) if size < 3 else slice(0, 3)
    conv.weight[:outputs, :inputs, place, place] = matrix[:, :, None, None] / size**2
    if conv.bias is not None:
        conv.bias[:outputs] = 0.0 if bias is None else bias


def whole(trained: dict[str, Tensor]) -> dict[str, Tensor]:
    """The file's weights from those of VAE: with the blocks that pass their input through, and the scale."""
    weights = dict(trained)
    for part, quiet in (("taesd_encoder", ENCODER_QUIET), ("taesd_decoder", DECODER_QUIET)):
        for index in quiet:
            for conv in BLOCK_CONVS:
                weights[f"{part}.{index}.conv.{conv}.weight"] = torch.zeros(WIDTH, WIDTH, 3, 3)
                weights[f"{part}.{index}.conv.{conv}.bias"] = torch.zeros(WIDTH)
    weights["vae_scale"], weights["vae_shift"] = torch.tensor(SCALE), torch.tensor(0.0)
    return weights
