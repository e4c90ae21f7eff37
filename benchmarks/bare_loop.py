"""The floor: the same model and layers, each with two small matrices beside it, a bare loop and torch's AdamW.

Written apart from the pack on purpose: it shares none of its code, so that it can be held against it. It has no
events, no caches, no checks, and a fixed noise level.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from benchmarks import workload
from benchmarks.meter import Meter


class Branch(nn.Module):
    """A frozen linear or convolution with a branch of rank r beside it."""

    def __init__(self, base: nn.Linear | nn.Conv2d, rank: int):
        super().__init__()
        self.base = base
        out, inner, *kernel = base.weight.shape
        self.down = nn.Parameter(torch.randn(rank, inner, *kernel) * 0.01)
        self.up = nn.Parameter(torch.zeros(out, rank, *[1] * len(kernel)))

    def forward(self, x):
        y = self.base(x)
        if isinstance(self.base, nn.Linear):
            return y + F.linear(F.linear(x, self.down), self.up)
        return y + F.conv2d(F.conv2d(x, self.down, None, self.base.stride, self.base.padding), self.up)


def run(steps: int, checkpointing: bool, targets: str) -> tuple[Meter, int]:
    patcher = workload.sd15_patcher()
    model = patcher.model
    unet = model.diffusion_model
    _make_normal(unet)
    meter = Meter()
    branches = _add_branches(unet, only_transformers=targets == workload.KOHYA_LAYERS)
    if checkpointing:
        _checkpoint_blocks(unet)
    parameters = [parameter for branch in branches for parameter in (branch.down, branch.up)]
    optimizer = torch.optim.AdamW(parameters, lr=workload.LEARNING_RATE)
    x0, text = workload.latent(), workload.text()
    from comfy.ldm.modules.attention import attention_pytorch

    options = {"optimized_attention_override": lambda func, *args, **kwargs: attention_pytorch(*args, **kwargs)}
    sigma = torch.tensor([1.0])
    for _ in range(steps):
        noise = torch.randn_like(x0)
        denoised = model.apply_model(x0 + sigma * noise, sigma, c_crossattn=text, transformer_options=options)
        loss = (denoised - x0).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        meter.step()
    return meter, sum(parameter.numel() for parameter in parameters)


def _make_normal(unet: nn.Module) -> None:
    """Inference tensors cannot be trained through; the same storages under new tensors can."""
    for module in unet.modules():
        for name, parameter in list(module._parameters.items()):
            if parameter is not None:
                plain = torch.empty(0).set_(parameter.untyped_storage(), 0, parameter.size(), parameter.stride())
                module._parameters[name] = nn.Parameter(plain, requires_grad=False)


def _add_branches(unet: nn.Module, only_transformers: bool) -> list[Branch]:
    branches = []
    for parent_name, parent in list(unet.named_modules()):
        for name, child in list(parent.named_children()):
            path = f"{parent_name}.{name}"
            inside = "transformer_blocks" in path or name in ("proj_in", "proj_out")
            if isinstance(child, (nn.Linear, nn.Conv2d)) and (inside or not only_transformers):
                branch = Branch(child, workload.RANK)
                parent._modules[name] = branch
                branches.append(branch)
    return branches


def _checkpoint_blocks(unet: nn.Module) -> None:
    for module in unet.modules():
        if type(module).__name__ in ("ResBlock", "SpatialTransformer"):
            inner = module.forward
            module.forward = lambda *args, inner=inner, **kwargs: checkpoint(inner, *args, use_reentrant=False, **kwargs)
