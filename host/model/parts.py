"""The parts of a graph's models that adapters may be attached to."""

from __future__ import annotations

import torch

from ...training.families import Family
from ...training.parts import DIFFUSION_MODEL, Trainable
from ..lend.weights import AtHand, ComfyWeights, where_it_lies
from .family import diffusion_file_keys, text_encoders


def trainable_parts(
    patcher, clip, family: Family, dtype: torch.dtype, *, quantized_backward: bool = False, at_hand: AtHand = where_it_lies
) -> list[Trainable]:
    """The diffusion model, computed in `dtype`, then each text encoder of `clip` (None: none of them). With `quantized_backward`
    the diffusion model's gradients are multiplied in fp8 where they can be; `at_hand` brings weights from main memory."""
    parts = [Trainable(
        name=DIFFUSION_MODEL, module=patcher.model.diffusion_model, file_keys=diffusion_file_keys(patcher, family),
        weights=ComfyWeights(patcher.load_device, dtype, quantized_backward=quantized_backward, at_hand=at_hand),
        blocks=family.blocks_of(DIFFUSION_MODEL),
    )]
    if clip is not None:
        weights = ComfyWeights(clip.patcher.load_device, torch.float32, at_hand=at_hand)
        parts += [Trainable(name=name, module=module, file_keys=keys, weights=weights, blocks=family.blocks_of(name))
                  for name, module, keys in text_encoders(clip, family)]
    return parts
