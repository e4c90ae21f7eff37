"""Which run *auto* goes on with: the paused or cancelled one of this same node with equal settings; anything else is a new run.

What was queued decides, as it is known before Run too: the panel asks the same here. What lies behind the widgets (pictures, models) is
held against the run's state when the prompt runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...training.errors import StateError
from ...training.order import Order
from ...training.record.run_json import read_graph, read_run
from ...training.run.control import CANCELLED, PAUSED, STOPPED
from ...training.run.resume.equal import differing
from ...training.run.state import state_file
from ...training.wording import some
from .run_folders import list_runs

#: Of Train LoRA: how to go on, how to live with memory and how to launch steps are no settings of what is trained.
_NO_SETTINGS = frozenset({"resume", "resume_schedule", "memory", "compile"})


@dataclass(frozen=True)
class GoingOn:
    """`folder` of the run that goes on, None for a new one; `said` is why."""

    folder: Path | None
    said: str


def waiting_runs(prompt: Mapping[str, Any] | None, node: str, root: Path | None = None) -> list[Path]:
    """The folders of the paused or cancelled runs that this node of `prompt` began with equal settings, newest first."""
    wanted = settings_of(prompt, node)
    if wanted is None:
        return []
    found = [(run.get("updated") or 0, folder) for folder in list_runs(root)
             if (run := read_run(folder)) is not None and run.get("status") in (PAUSED, CANCELLED) and state_file(folder).is_file()
             and (graph := read_graph(folder)) is not None and graph.get("node") == node
             and settings_of(graph.get("prompt"), node) == wanted]
    return [folder for _, folder in sorted(found, reverse=True)]


def ended_unchanged(folder: Path, prompt: Mapping[str, Any], node: str) -> bool:
    """Whether the run is done, and this node of `prompt` would train the very same: then ComfyUI gives on what it has."""
    made, run = (read_graph(folder) or {}).get("prompt"), read_run(folder) or {}
    trained = settings_of(made, node)
    if run.get("status") not in ("finished", STOPPED) or made is None or trained is None or trained != settings_of(prompt, node):
        return False
    before, now = made[node]["inputs"], prompt[node]["inputs"]
    return all(before.get(name) == now.get(name) for name in _NO_SETTINGS - {"resume"})


def settings_of(prompt: Any, node: str) -> dict[str, Any] | None:
    """Every node that `node` of a prompt is made from, with its kind and inputs; None where there is no such prompt or node."""
    found: dict[str, Any] = {}
    waiting = [node]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        each = prompt.get(name) if isinstance(prompt, Mapping) else None
        if not isinstance(each, Mapping) or not isinstance(inputs := each.get("inputs"), Mapping):
            return None
        waiting += [value[0] for value in inputs.values() if _is_link(value)]
        found[name] = each.get("class_type"), {key: value for key, value in inputs.items() if name != node or key not in _NO_SETTINGS}
    return found


def run_to_go_on_with(folders: Sequence[Path], order_in: Callable[[Path], Order]) -> GoingOn | None:
    """The first of `folders` whose state is of what the order in it would train, or why a new run begins; None without any."""
    refused = []
    for folder in folders:
        try:
            changes = differing(state_file(folder), order_in(folder))
        except StateError as error:
            changes = [str(error)]
        if not changes:
            return GoingOn(folder, f"goes on with the run '{folder.name}': it waits, and no setting was changed. To start anew instead, "
                                   "set resume on Train LoRA to 'new'.")
        refused.append(f"'{folder.name}' waits, but {some(changes)}")
    if not refused:
        return None
    return GoingOn(None, f"begins a new run: {'; '.join(refused)}. To go on with it, put that back.")


def _is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)
