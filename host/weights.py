"""The base weights as they act in ComfyUI's forward: dequantised, moved to the device, patched as the graph asked."""

from __future__ import annotations

import comfy.ops
import torch
from torch import nn


class ComfyWeights:
    """WeightAccess for one run: `device` computes, in `dtype`."""

    def __init__(self, device: torch.device, dtype: torch.dtype):
        self.device = device
        self.dtype = dtype

    def weight(self, module: nn.Module, dtype: torch.dtype) -> torch.Tensor:
        with torch.no_grad():
            weight, _ = comfy.ops.cast_bias_weight(module, dtype=dtype, device=self.device, bias_dtype=dtype)
            if hasattr(weight, "dequantize") and type(weight) is not torch.Tensor and type(weight) is not nn.Parameter:
                weight = weight.dequantize().to(dtype)
            scale = getattr(module, "scale_weight", None)
            return weight if scale is None else weight * scale.to(weight)

    def bias(self, module: nn.Module, dtype: torch.dtype) -> torch.Tensor | None:
        bias = getattr(module, "bias", None)
        if bias is None:
            return None
        with torch.no_grad():
            bias = bias.to(self.device, dtype)
            for patch in getattr(module, "bias_function", ()):
                bias = patch(bias)
            return bias

    def recasts(self, module: nn.Module) -> bool:
        """True where the forward multiplies by a copy of the stored weight. Modules that are not ComfyUI's own
        (no cast machinery) multiply by the weight itself."""
        weight = module.weight
        if not hasattr(module, "comfy_cast_weights"):
            return False
        plain = type(weight) in (torch.Tensor, nn.Parameter)
        return (
            not plain
            or weight.dtype != self.dtype
            or weight.device != self.device
            or len(module.weight_function) > 0
        )
