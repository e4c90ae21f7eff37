"""The plan of FLUX grows by as much with every block: what few of them are planned to take tells what all 19 + 38 are."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import torch

from pack.tests.comfy.full_size import FLUX
from pack.tests.comfy.newer_configs import completed
from pack.training.memory.choice import ALL, CHEAP, NONE, MemoryChoice
from pack.training.network.spec import NetworkSpec
from pack.training.specs import AUTO, RunSpec

Depth = tuple[int, int]
"""Blocks of two streams, and of one."""
FEW: tuple[Depth, ...] = ((2, 2), (3, 2), (2, 3))
WHOLE: Depth = FLUX["depth"], FLUX["depth_single_blocks"]
WAYS = (NONE, CHEAP, ALL)


def plan(depth: Depth, *, side: int = 512, config: Mapping[str, Any] = FLUX, rank: int = 16) -> dict[str, int]:
    """Way -> bytes beside a model of that depth."""
    from pack.host.header.bare import bare_model
    from pack.host.header.step import Work, step_cost

    models = importlib.import_module("comfy.supported_models")
    given = {**config, "depth": depth[0], "depth_single_blocks": depth[1]}
    made = models.Flux(completed(SimpleNamespace(module=importlib.import_module), given))
    work = Work(side=side, network=NetworkSpec(rank=rank, alpha=float(rank)), run=RunSpec(precision="bf16", memory=AUTO))
    cost = step_cost(bare_model(made, torch.bfloat16, torch.bfloat16), work)
    assert cost is not None and cost.cheap is not None
    return {way: cost.plan_for(MemoryChoice(recompute=way)).total for way in WAYS}


def foretold(few: Mapping[Depth, Mapping[str, int]], depth: Depth, way: str) -> int:
    """By the plans of FEW: what the third block of a kind adds, each further one does."""
    base, double, single = (few[one][way] for one in FEW)
    return base + (depth[0] - 2) * (double - base) + (depth[1] - 2) * (single - base)
