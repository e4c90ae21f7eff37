"""Several LoRAs on slices of one weight, as one LoRA on the whole: q, k and v of diffusers' FLUX are rows of one qkv here."""

from __future__ import annotations

import comfy.weight_adapter as weight_adapter
import torch
from torch import Tensor

from ..training.network.start_from import ModuleStart


def fused(found: list, module) -> ModuleStart | str:
    """`found` are ComfyUI's (key, patch) of one weight; a key is its name, (name, (dim, start, length)) or
    (name, None, function of the change). The LoRAs' ranks add up: downs are stacked, ups lie side by side in their rows.

    `module` is the layer, None when it is not trained: then the first patch stands for all. A phrase says why it fails.
    """
    ups, downs = [], []
    for key, patch in found:
        if not isinstance(patch, weight_adapter.LoRAAdapter) or any(part is not None for part in patch.weights[3:]):
            return "only plain LoRAs on parts of a weight can be trained on. Apply it with a LoRA loader in front of Train LoRA."
        up, down, alpha = patch.weights[:3]
        rank = down.shape[0]
        scaled = up.float() * (1.0 if alpha is None else alpha / rank)
        ups.append(_placed(scaled, key, module))
        downs.append(down.float())
    up = torch.cat(ups, dim=1) if module is not None else ups[0]
    down = torch.cat(downs) if module is not None else downs[0]
    return ModuleStart("lora", {"lora_up.weight": up, "lora_down.weight": down, "alpha": torch.tensor(float(down.shape[0]))})


def _placed(up: Tensor, key, module) -> Tensor:
    """`up` in its rows of the whole weight."""
    if isinstance(key, str) or module is None:
        return up
    if len(key) > 2:
        return key[2](up)
    _, start, length = key[1]
    whole = torch.zeros(module.weight.shape[0], *up.shape[1:])
    whole[start : start + length] = up
    return whole
