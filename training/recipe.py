"""A recipe: what is to be trained, and how. Everything that the nodes around Train LoRA say, in one record."""

from __future__ import annotations

from dataclasses import dataclass

from .data.dataset import Dataset
from .network.spec import NetworkSpec
from .objective.spec import ObjectiveSpec
from .optim.spec import OptimizerSpec
from .specs import PreviewSpec, RunSpec


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Each part was checked at its own birth; whether they fit a model is asked when the model is known."""

    dataset: Dataset
    network: NetworkSpec
    optimizer: OptimizerSpec
    objective: ObjectiveSpec
    run: RunSpec
    preview: PreviewSpec | None = None
