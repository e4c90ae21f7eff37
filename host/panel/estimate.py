"""How long a run will be, before Run is pressed: steps and epochs by the pictures on the disk, time by steps that were measured.

Nodes that know their data without running say it in `foreseen`; behind any other the pictures are not known yet. Time is that of the newest
run of the same graph, but for what no step's time depends on; without one there is none.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from ...training.data.dataset import Dataset
from ...training.data.items import make_items
from ...training.errors import TrainingError
from ...training.record.run_json import read_graph, read_run
from ...training.run.build import make_plan
from ...training.specs import RunSpec
from ..runs.run_folders import list_runs

#: Inputs that no step's time depends on, whatever node has them; `preview` and `vae` with all that stands behind them.
_NO_TIME = frozenset(
    "run_name steps epochs seed resume resume_schedule save_every_n_steps save_every_n_epochs save_every_n_minutes keep_last cache_to_disk "
    "validate_every_n_steps tensorboard skip_bad_pictures preview vae folder repeats trigger_word caption_extension captions_from "
    "regularisation_folder validation_folder validation_fraction sub_folders prior_loss_weight learning_rate scheduler warmup_steps "
    "warmup_percent min_lr_ratio scheduler_cycles scheduler_power weight_decay alpha preview_steps prefix suffix "
    "scheduler_timescale scheduler_decay_percent wandb training_comment".split()
)
FEWEST = 10
"""Steps that a run must have taken for its pace to be told: the first ones are slower."""
_MOST_RUNS, _KEPT = 200, 16
_SEEN: dict[str, Dataset | None] = {}
_ONE = threading.Lock()


def estimate(prompt: Mapping[str, Any], node: str) -> dict[str, Any]:
    """{"steps", "epochs", "pictures", "seconds_per_step"}, each None where it is not known."""
    inputs = _inputs(prompt, node)
    steps, epochs = (inputs.get(name) if type(inputs.get(name)) is int else None for name in ("steps", "epochs"))
    found = {"steps": None if epochs else steps, "epochs": epochs or None, "pictures": None,
             "seconds_per_step": seconds_per_step(prompt, node)}
    try:
        with _ONE:
            dataset = _dataset(prompt, inputs.get("dataset"))
        trained = [] if dataset is None else [item for item in make_items(dataset) if item.sample.is_trained]
        batch, accumulation = (inputs.get(name, 1) for name in ("batch_size", "gradient_accumulation"))
        if not trained or type(batch) is not int or type(accumulation) is not int:
            return found
        an_epoch = make_plan(RunSpec(batch_size=batch, gradient_accumulation=accumulation), trained).steps_per_epoch
    except TrainingError:  # told when Run is pressed, at its node
        return found
    total = epochs * an_epoch if epochs else steps
    whole = None if total is None else round(total / an_epoch, 1)
    return {**found, "steps": total, "epochs": whole, "pictures": len({id(item.sample) for item in trained})}


def seconds_per_step(prompt: Mapping[str, Any], node: str) -> float | None:
    """Of the newest run whose steps did the same work."""
    wanted = _work(prompt, node)
    for folder in sorted(list_runs(), key=lambda path: path.stat().st_mtime, reverse=True)[:_MOST_RUNS]:
        summary = (read_run(folder) or {}).get("summary") or {}
        pace, steps = summary.get("seconds_per_step"), summary.get("steps")
        if not pace or not isinstance(steps, int) or steps < FEWEST or (graph := read_graph(folder)) is None:
            continue
        if isinstance(graph.get("prompt"), Mapping) and _work(graph["prompt"], str(graph.get("node"))) == wanted:
            return float(pace)
    return None


def _work(prompt: Mapping[str, Any], node: str, depth: int = 0) -> Any:
    """What stands before a node, as far as a step's time depends on it: nodes by what they are, not by their numbers."""
    each = prompt.get(node)
    if not isinstance(each, Mapping) or depth > 50:
        return None
    told = {name: _work(prompt, value[0], depth + 1) if _is_link(value) else value
            for name, value in _inputs(prompt, node).items() if name not in _NO_TIME}
    return each.get("class_type"), told


def _dataset(prompt: Mapping[str, Any], link: Any) -> Dataset | None:
    """What the nodes before would give; kept while neither they nor the files change."""
    if not _is_link(link) or not isinstance(each := prompt.get(link[0]), Mapping):
        return None
    kind = import_module("nodes").NODE_CLASS_MAPPINGS.get(str(each.get("class_type")))
    foresee = getattr(kind, "foreseen", None)
    if kind is None or foresee is None:
        return None
    given: dict[str, Any] = {}
    for name, value in _inputs(prompt, link[0]).items():
        given[name] = _dataset(prompt, value) if _is_link(value) else value
        if given[name] is None:
            return None
    if any(isinstance(value, Dataset) for value in given.values()):
        return foresee(**given)
    key = json.dumps([each.get("class_type"), given, kind.fingerprint_inputs(**given)], sort_keys=True, default=str)
    if key not in _SEEN:
        _SEEN[key] = foresee(**given)
        while len(_SEEN) > _KEPT:
            _SEEN.pop(next(iter(_SEEN)))
    return _SEEN[key]


def _inputs(prompt: Mapping[str, Any], node: str) -> Mapping[str, Any]:
    each = prompt.get(node)
    inputs = each.get("inputs") if isinstance(each, Mapping) else None
    return inputs if isinstance(inputs, Mapping) else {}


def _is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)
