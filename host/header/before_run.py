"""What a run will take, shown on the node before Run: the plan of the file that core's loader names, nothing of it loaded.

A program of its own rehearses the step (`child.py`), one at a time; what it found is kept by the file, its date and the settings.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from dataclasses import asdict
from inspect import getfile
from pathlib import Path
from typing import Any

import comfy.model_management as model_management
import folder_paths
import torch

from ...training.memory.cost.plan import StepCost
from ...training.memory.lane import lane_of
from ...training.run.room.way import costs_of, record_of, way_for
from ...training.specs import DTYPES
from ..session import dtype_to_train_in, free_on
from . import child
from .costs import read
from .file import model_in
from .wanted import Wanted

log = logging.getLogger(__name__)

FOLDERS = ("checkpoints", "diffusion_models")
LIMIT = 120.0
"""Seconds: a slow machine that has other work."""
_KEPT = 64
_SEEN: dict[tuple, StepCost | None] = {}
_ONE = threading.Lock()


def plan_before_run(wanted: Wanted) -> dict[str, Any] | None:
    """What run.json keeps of a run's memory (`training/run/room/way.py`), foreseen; None where that is known only once the model is
    loaded: no safetensors file of a folder of core's loaders, a quantised one, a model that nobody knows a caption of."""
    path = listed(wanted.folder, wanted.model)
    cost = None if path is None else _cost(path, wanted)
    if cost is None:
        return None
    device, run = model_management.get_torch_device(), wanted.work().run
    costs, free = costs_of(cost, main_memory=lane_of(device) is not None), free_on(device)
    return record_of(way_for(run, costs, free), wanted.resolution, run.batch_size, free)


def listed(folder: str, model: str) -> Path | None:
    """The safetensors file of that name; only what ComfyUI itself lists in a loader's menu."""
    if folder not in FOLDERS or model not in folder_paths.get_filename_list(folder):
        return None
    found = folder_paths.get_full_path(folder, model)
    return Path(found) if found and Path(found).suffix in (".safetensors", ".sft") else None


def _cost(path: Path, wanted: Wanted) -> StepCost | None:
    state = path.stat()
    key = (path, state.st_mtime_ns, state.st_size, wanted.shaping())
    with _ONE:
        if key not in _SEEN:
            _SEEN[key] = _rehearsed(path, wanted)
            while len(_SEEN) > _KEPT:
                _SEEN.pop(next(iter(_SEEN)))
        return _SEEN[key]


def _rehearsed(path: Path, wanted: Wanted) -> StepCost | None:
    try:
        question = _question(path, wanted)
        answer = None if question is None else _asked_of_child(question)
        return None if answer is None else read(answer)
    except Exception as error:  # noqa: BLE001 - a file, a model, a machine that does not do it: then it is known once the model is loaded
        log.info("[LoRA Canvas] what a run on %s takes is not known before it is loaded (%s: %s)", path.name, type(error).__name__, error)
        return None


def _question(path: Path, wanted: Wanted) -> dict[str, Any] | None:
    """What is stored and computed in is asked here: it depends on the device, which the child leaves alone."""
    found = model_in(path)
    if found is None:
        return None
    stored, computed = found.dtypes(wanted.asked)
    dtype = dtype_to_train_in(computed, model_management.get_torch_device(), wanted.work().run.precision)
    precision = next(name for name, one in DTYPES.items() if one is dtype)
    names = {"stored": _name(stored), "computed": _name(computed)}
    return {"comfy": str(Path(getfile(folder_paths)).parent), "pack": str(Path(__file__).parents[2]), "path": str(path), **names,
            "precision": precision, "wanted": asdict(wanted)}


def _asked_of_child(question: dict[str, Any]) -> dict[str, Any] | None:
    """Raises what subprocess raises for one that takes too long or fails."""
    done = subprocess.run([sys.executable, getfile(child)], input=json.dumps(question), capture_output=True, text=True, timeout=LIMIT,
                          creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0))
    if done.returncode:
        raise RuntimeError(done.stderr.strip().rpartition("\n")[2][:200])
    return json.loads(done.stdout)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
