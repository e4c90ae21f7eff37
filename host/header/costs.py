"""A StepCost as JSON has it, from one program to another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ...training.memory.cost.ledger import Stretch
from ...training.memory.cost.plan import StepCost
from ...training.memory.cost.trace import Pass, Trace


def written(cost: StepCost) -> dict[str, Any]:
    return asdict(cost)


def read(said: Mapping[str, Any]) -> StepCost:
    """The one that was `written`."""
    return StepCost(**{**said, **{name: said[name] and _trace(said[name]) for name in ("trace", "cheap")}})


def _trace(said: Mapping[str, Any]) -> Trace:
    return Trace([Stretch(**one) for one in said["stretches"]], [Pass(**one) for one in said["passes"]], said["resident"])
