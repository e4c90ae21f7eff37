"""What Run would do with a Train LoRA node, before it is pressed: which run goes on, or that a new one begins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...training.errors import TrainingError
from ...training.record.run_json import read_run
from ...training.specs import AUTO, NEW, resumes
from ..runs.going_on import ended_unchanged, waiting_runs
from ..runs.registry import RUNS
from ..runs.run_folders import folder_to_resume

NEW_RUN: Mapping[str, Any] = {"next": "new"}
UNKNOWN: Mapping[str, Any] = {"next": "unknown"}


def next_run(prompt: Mapping[str, Any], node: str) -> Mapping[str, Any]:
    """{"next": "new"}, {"next": "goes on", "run", "step", "total_steps"}, {"next": "nothing", "run", "step"} where the last run of the
    node is done and nothing was changed, or {"next": "unknown"} where a wire decides or no such run is there."""
    each = prompt.get(node)
    inputs = each.get("inputs") if isinstance(each, Mapping) else None
    text = inputs.get("resume", AUTO) if isinstance(inputs, Mapping) else None
    if not isinstance(text, str):
        return UNKNOWN
    asked = resumes(text)
    if asked == NEW:
        return NEW_RUN
    try:
        folders = waiting_runs(prompt, node) if asked == AUTO else [folder_to_resume(asked)]
    except TrainingError:
        return UNKNOWN
    last = RUNS.last_of(node)
    if not folders and last and ended_unchanged(last, prompt, node):
        return {"next": "nothing", "run": last.name, "step": (read_run(last) or {}).get("step")}
    if not folders:
        return NEW_RUN
    run = read_run(folders[0]) or {}
    return {"next": "goes on", "run": folders[0].name, "step": run.get("step"), "total_steps": run.get("total_steps")}
