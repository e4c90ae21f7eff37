"""A recipe: what is to be trained, and how. Everything that the nodes around Train LoRA say, in one record."""

from __future__ import annotations

from dataclasses import dataclass

from .data.advice.report import several_lines
from .data.dataset import Dataset
from .network.fitting import warnings
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

    def warnings(self, parametrisation: str) -> list[str]:
        """What may not be meant, on a model of this `parametrisation`."""
        return [*self.dataset.warnings, *several_lines(self.dataset.samples), *warnings(self.network), *self.optimizer.warnings(),
                *self.objective.warnings(parametrisation)]
