"""Weights written as ComfyUI's quantised files hold them, format by format, with the layouts of the ComfyUI at hand.

Where a ComfyUI does not know a format, `missing` says so.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

FP8 = torch.float8_e4m3fn
GROUP = 64  # divides every width of the tiny models; ConvRot wants a power of four


@dataclass(frozen=True)
class Format:
    """`algorithm` is ComfyUI's name of it; `options` go to its layout, `configuration` into the file beside the name.
    `smoothed`: the weight is divided by a scale per input channel, which the layer multiplies its input by (AWQ); `input_scale` is
    that of the quantised activations, where the file has it."""

    algorithm: str
    options: Mapping[str, Any] = field(default_factory=dict)
    configuration: Mapping[str, Any] = field(default_factory=dict)
    smoothed: bool = False
    input_scale: float | None = None


FORMATS = {
    "fp8 scaled": Format("float8_e4m3fn", {"scale": "recalculate"}, input_scale=0.02),
    "mxfp8": Format("mxfp8"),
    "nvfp4": Format("nvfp4"),
    "nvfp4 smoothed": Format("nvfp4", smoothed=True),
    "int8 tensorwise": Format("int8_tensorwise"),
    "int8 convrot": Format("int8_tensorwise", {"per_channel": True, "convrot": True, "convrot_groupsize": GROUP},
                           {"convrot": True, "convrot_groupsize": GROUP}),
    "convrot w4a4": Format("convrot_w4a4", {"convrot_groupsize": GROUP}, {"convrot_groupsize": GROUP}),
    "w4a8": Format("asym_w4a8_int8", {"convrot_groupsize": GROUP}, {"group_size": 16, "convrot_groupsize": GROUP}),
}


def missing(comfy, name: str) -> str | None:
    """Why the ComfyUI at hand cannot load the format; None when it can."""
    algorithm = FORMATS[name].algorithm
    known = comfy.module("comfy.quant_ops").QUANT_ALGOS
    return None if algorithm in known else f"this ComfyUI knows no {algorithm}, only {', '.join(known)}"


@torch.inference_mode()
def dequantised(comfy, model: torch.nn.Module, dtype: torch.dtype) -> None:
    """Plain weights in the place of quantised ones, of scaled ones too: what gradients are held against."""
    kind = comfy.module("comfy.quant_ops").QuantizedTensor
    for layer in model.modules():
        weight, scale = getattr(layer, "weight", None), getattr(layer, "scale_weight", None)
        if isinstance(weight, kind):
            layer.weight = torch.nn.Parameter(weight.dequantize().to(dtype), requires_grad=False)
            layer.layout_type = None
        elif scale is not None:  # 0.3.75's own layer for files of 2024
            layer.weight = torch.nn.Parameter((weight.float() * scale).to(dtype), requires_grad=False)
            layer.scale_weight = torch.nn.Parameter(torch.ones(()), requires_grad=False)


def quantised(
    comfy, weights: Mapping[str, Tensor], name: str, is_quantised: Callable[[str], bool]
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """(tensors, metadata) of the file: every matrix whose key `is_quantised` is in the format, all else as it was."""
    wanted = FORMATS[name]
    tensors, layers = dict(weights), {}
    for key, weight in weights.items():
        if weight.ndim != 2 or not key.endswith(".weight") or not is_quantised(key):
            continue
        layer = key.removesuffix(".weight")
        layers[layer] = {"format": wanted.algorithm, **wanted.configuration}
        if wanted.smoothed:
            scale = smoothing(weight.shape[1])
            tensors[f"{layer}.pre_quant_scale"] = scale
            weight = weight / scale.to(weight)
        if wanted.input_scale is not None:
            tensors[f"{layer}.input_scale"] = torch.tensor(wanted.input_scale)
        tensors |= stored(comfy, weight.float(), key, wanted)
    return tensors, {"_quantization_metadata": json.dumps({"format_version": "1.0", "layers": layers})}


def stored(comfy, weight: Tensor, key: str, wanted: Format) -> dict[str, Tensor]:
    """One weight as the layout writes it: its numbers under `key`, its scales under names that begin with it."""
    ops = comfy.module("comfy.quant_ops")
    layout = ops.QUANT_ALGOS[wanted.algorithm]["comfy_tensor_layout"]
    if hasattr(ops, "LAYOUTS"):  # 0.3.75, which has fp8 alone and no way to write
        numbers, parameters = ops.LAYOUTS[layout].quantize(weight)
        return {key: numbers, f"{key}_scale": parameters["scale"]}
    return ops.QuantizedTensor.from_float(weight, layout, **wanted.options).state_dict(key)


def smoothing(width: int) -> Tensor:
    """Scales per input channel, from a half to two."""
    return 2 ** (2 * torch.rand(width, generator=torch.Generator().manual_seed(width)) - 1)


def old_scaled(weights: Mapping[str, Tensor], is_quantised: Callable[[str], bool], prefix: str = "") -> dict[str, Tensor]:
    """As files of 2024 hold scaled fp8: `scale_weight` beside each weight, and an empty tensor `scaled_fp8`."""
    tensors = dict(weights)
    for key, weight in weights.items():
        if weight.ndim == 2 and key.endswith(".weight") and is_quantised(key):
            scale = weight.float().abs().amax() / torch.finfo(FP8).max
            tensors[key] = (weight.float() / scale).to(FP8)
            tensors[key.removesuffix("weight") + "scale_weight"] = scale
    return tensors | {f"{prefix}scaled_fp8": torch.empty(0, dtype=FP8)}
