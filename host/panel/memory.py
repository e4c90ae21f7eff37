"""What training on a model took when it was trained on last: shown on the node before Run."""

from __future__ import annotations

from pathlib import Path, PureWindowsPath
from typing import Any

from ...training.record.run_json import read_run
from ..runs.run_folders import list_runs

#: What a run keeps of it (training/run/room/way.py): a run.json may come from anywhere.
_TYPES: dict[str, type] = {"pixels": int, "batch_size": int, "takes": int, "free": int, "how": str}


def last_memory(model: str, root: Path | None = None) -> dict[str, Any] | None:
    """Of the newest run on the model file of that name, whatever folder it lies in; None where no run says it."""
    name = PureWindowsPath(model).name  # knows both sorts of separators
    found = [(run.get("updated") or 0, memory) for folder in list_runs(root) if (run := read_run(folder)) is not None
             if _name_of(run) == name and (memory := _memory(run)) is not None]
    return max(found, key=lambda entry: entry[0])[1] if found and name else None


def _name_of(run: dict[str, Any]) -> str | None:
    model = (run.get("settings") or {}).get("model")
    return model.get("name") if isinstance(model, dict) else None


def _memory(run: dict[str, Any]) -> dict[str, Any] | None:
    """What it keeps, and its most in use, where all of it is of the type that it must be."""
    memory = (run.get("settings") or {}).get("memory")
    if not isinstance(memory, dict) or any(not isinstance(memory.get(name), kind) for name, kind in _TYPES.items()):
        return None
    return {name: memory[name] for name in _TYPES}
