"""Adapter-like parameters and a small problem to train them on."""

from __future__ import annotations

import torch

from pack.training.optim.groups import ParameterGroup
from pack.training.optim.menu import Knobs, optimizer_from
from pack.training.optim.spec import OptimizerSpec

SHAPES = {
    "unet_a.down": (8, 640),  # 5120 elements: bitsandbytes keeps 8-bit states from 4096 on
    "unet_a.up": (96, 8),
    "unet_conv.down": (8, 6, 3, 3),
    "unet_conv.up": (24, 8, 1, 1),
    "unet_conv.scale": (24,),
    "te_c.down": (4, 32),
    "te_c.up": (40, 4),
}


def from_widgets(**widgets) -> OptimizerSpec:
    return optimizer_from(Knobs(**widgets))


def parameters(seed: int = 0) -> dict[str, torch.nn.Parameter]:
    """Downs random, ups zero, as a fresh LoRA."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.nn.Parameter(torch.zeros(shape) if name.endswith("up") else torch.randn(shape, generator=generator) * 0.1)
        for name, shape in SHAPES.items()
    }


def groups(named: dict[str, torch.nn.Parameter]) -> list[ParameterGroup]:
    parts = {"diffusion_model": "unet_", "text_encoder_1": "te_"}
    return [
        ParameterGroup(part, [(name, p) for name, p in named.items() if name.startswith(prefix)])
        for part, prefix in parts.items()
    ]


def train(optimizer, named, start: int, stop: int, scale: float = 1.0) -> None:
    """Noisy gradients of a quadratic, a function of the step alone, and a falling learning rate."""
    for step in range(start, stop):
        for index, (name, parameter) in enumerate(named.items()):
            generator = torch.Generator().manual_seed(1000 * step + index)
            target = torch.randn(SHAPES[name], generator=torch.Generator().manual_seed(index)) * 0.1
            parameter.grad = (parameter.detach() - target) + 0.02 * torch.randn(SHAPES[name], generator=generator)
        for group in optimizer.param_groups:
            group["lr"] = group["base_lr"] * (1 - step / 40) * scale
        optimizer.step()


def values(named) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in named.items()}
