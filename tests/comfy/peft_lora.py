"""peft's LoRA on an oracle's modules, with our adapters' values, and the comparison of gradients.

A module of ComfyUI may be several of the oracle's (FLUX's fused qkv is three): then they share `down`, and each has its
rows of `up`.
"""

from collections.abc import Mapping

import torch
from torch import nn

Slices = list[tuple[str, slice]]


def with_peft(model: nn.Module, network, part: str, places: Mapping[str, Slices], *, rank: int, alpha: float) -> dict[str, list]:
    """`places` maps our module path to the oracle's (path, rows of the output). Our path -> [(peft layer, rows)]."""
    from peft import LoraConfig, inject_adapter_in_model

    adapters = network.adapters_of(part)
    unknown = adapters.keys() - places.keys()
    assert not unknown, f"the oracle has no place for {sorted(unknown)[:5]}"
    targets = [path for name in adapters for path, _ in places[name]]
    model = inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=alpha, target_modules=targets, lora_dropout=0.0), model)
    modules = dict(model.named_modules())
    layers = {}
    for name, adapter in adapters.items():
        layers[name] = [(modules[path], rows) for path, rows in places[name]]
        for layer, rows in layers[name]:
            a, b = weights(layer)
            a.data.copy_(adapter.down.detach().reshape(a.shape))
            b.data.copy_(adapter.up.detach()[rows].reshape(b.shape))
    return layers


def weights(layer) -> tuple[nn.Parameter, nn.Parameter]:
    return layer.lora_A["default"].weight, layer.lora_B["default"].weight


def relative_errors(network, part: str, layers: Mapping[str, list]) -> dict[str, float]:
    """Our path -> largest difference of the adapter's gradients to peft's, relative to the largest of peft's."""
    errors = {}
    for name, adapter in network.adapters_of(part).items():
        down = sum(gradient(weights(layer)[0]) for layer, _ in layers[name])
        up = torch.cat([gradient(weights(layer)[1]) for layer, _ in layers[name]])
        errors[name] = max(_relative(gradient(adapter.down), down), _relative(gradient(adapter.up), up))
    return errors


def whole(paths: Mapping[str, str]) -> dict[str, Slices]:
    """Places where each module is one of the oracle's."""
    return {name: [(path, slice(None))] for name, path in paths.items()}


def gradient(parameter: nn.Parameter) -> torch.Tensor:
    """Zeros where the output does not depend on it (the last block's text stream, in FLUX schnell with one block)."""
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


def _relative(mine: torch.Tensor, theirs: torch.Tensor) -> float:
    difference = (mine.reshape(theirs.shape) - theirs).abs().max()
    return float(difference / theirs.abs().max()) if theirs.any() else float(difference)
