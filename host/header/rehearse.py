"""The side of the child: what it was asked, rehearsed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from .bare import bare_model
from .costs import written
from .file import model_in
from .step import step_cost
from .wanted import Wanted


def rehearsed_file(said: Mapping[str, Any]) -> dict[str, Any] | None:
    """{"path", "stored", "computed", "wanted"} -> a StepCost as JSON has it; None where nobody knows."""
    found, wanted = model_in(Path(said["path"])), Wanted(**said["wanted"])
    if found is None:
        return None
    bare = bare_model(found.config, *(getattr(torch, said[name]) for name in ("stored", "computed")))
    cost = step_cost(bare, replace(wanted, precision=said["precision"]).work())
    return cost and written(cost)
