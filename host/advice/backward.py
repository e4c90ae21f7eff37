"""Whether gradients can be multiplied in fp8 (`quantized_backward`): by the card, by the base, by how many of its layers."""

from __future__ import annotations

import comfy.model_management as model_management
import torch

from ...training.network import fp8
from ...training.ops import named_ops
from ...training.specs import RunSpec
from .. import compat
from ..lend.weights import goes_back_in_fp8, is_quantized

_LEFT = f"a side of theirs is no multiple of {fp8.MULTIPLE}, or their file asks for full precision"
_OFF = "or switch quantized_backward off on the Train LoRA node: this model trains without it just as well, only somewhat slower."


def backward_problems(patcher, run: RunSpec) -> list[str]:
    """Why it cannot be on for this MODEL on this card."""
    if not run.quantized_backward:
        return []
    device: torch.device = patcher.load_device
    name = model_management.get_torch_device_name(device)
    if not compat.multiplies_fp8(device):
        return [f"quantized_backward is on, but {name} does not multiply in fp8 any faster. Use a card that does (NVIDIA's do from RTX 40 "
                f"and H100 on), {_OFF}"]
    error = fp8.failure(device)
    if error is not None:
        return [f"quantized_backward is on, but multiplying in fp8 fails on {name}: {error}. Try a newer PyTorch, {_OFF}"]
    quantized, fitting = _layers(patcher)
    if not quantized:
        return ["quantized_backward is on, but no linear of this model is held in fp8 or another of ComfyUI's quantised formats, so there "
                f"is nothing to multiply so. Load an fp8 file (or set weight_dtype to fp8_e4m3fn on Load Diffusion Model), {_OFF}"]
    if not fitting:
        return [f"quantized_backward is on, but none of the {quantized} quantised linears of this model can be multiplied so: {_LEFT}. "
                f"Load another file of the model, {_OFF}"]
    return []


def backward_notices(patcher, run: RunSpec) -> list[str]:
    """What it leaves as it was, in a MODEL that has no `backward_problems`."""
    quantized, fitting = _layers(patcher) if run.quantized_backward else (0, 0)
    if fitting == quantized:
        return []
    return [f"quantized_backward: {fitting} of {quantized} quantised linears multiply their gradient in fp8; the others as without it, for "
            f"{_LEFT}."]


def _layers(patcher) -> tuple[int, int]:
    """How many quantised linears there are, and how many of them can."""
    quantized = [(layer, op) for _, layer, op in named_ops(patcher.model.diffusion_model) if is_quantized(layer, op)]
    return len(quantized), sum(goes_back_in_fp8(layer, op) for layer, op in quantized)
