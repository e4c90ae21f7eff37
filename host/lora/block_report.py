"""What a network would train on a model of the graph, without loading or changing it."""

from __future__ import annotations

import torch

from ...training.network.report import network_report
from ...training.network.spec import NetworkSpec
from ..model.family import family_of
from ..model.parts import trainable_parts
from .start_from import module_starts


def block_report(spec: NetworkSpec, patcher, clip) -> str:
    """A table of blocks; a line that asks for the model when there is none."""
    if patcher is None:
        return "Connect model to see which layers match."
    family = family_of(patcher)
    parts = trainable_parts(patcher, clip, family, torch.float32)
    starts = module_starts(spec.start_from, patcher, clip, parts) if spec.start_from else None
    return network_report(spec, parts, family.title, starts)
