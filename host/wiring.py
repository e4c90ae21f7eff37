"""What is connected to the Train LoRA node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..training.data.dataset import Dataset
from ..training.network.spec import NetworkSpec
from ..training.objective.spec import ObjectiveSpec
from ..training.optim.spec import OptimizerSpec
from ..training.specs import PreviewSpec, RunSpec


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """What is connected to the Train LoRA node, and what its widgets say. `workflow` is the canvas as ComfyUI saves it."""

    model: Any
    clip: Any
    vae: Any
    dataset: Dataset
    network: NetworkSpec
    optimizer: OptimizerSpec
    objective: ObjectiveSpec
    preview: PreviewSpec | None
    run: RunSpec
    node_id: str = ""
    workflow: dict | None = None
    prompt: dict | None = None
