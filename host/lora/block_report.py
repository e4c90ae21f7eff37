"""What a network would train on a model of the graph, without loading or changing it."""

from __future__ import annotations

from ...training.network.report import network_report
from ...training.network.spec import NetworkSpec
from ...training.parts import Trainable
from ..model.family import diffusion_file_keys, family_of, text_encoders
from .start_from import module_starts


def block_report(spec: NetworkSpec, patcher, clip) -> str:
    """A table of blocks; a line that asks for the model when there is none."""
    if patcher is None:
        return "Connect model to see which layers match."
    family = family_of(patcher)
    parts = [Trainable(name="diffusion_model", module=patcher.model.diffusion_model,
                       file_keys=diffusion_file_keys(patcher, family), weights=None)]
    if clip is not None:
        parts += [Trainable(name=name, module=module, file_keys=keys, weights=None)
                  for name, module, keys in text_encoders(clip, family)]
    starts = module_starts(spec.start_from, patcher, clip, parts) if spec.start_from else None
    return network_report(spec, [(part, family.blocks_of(part.name)) for part in parts], family.title, starts)
