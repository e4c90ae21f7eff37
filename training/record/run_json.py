"""run.json: what a run is, how far it got and how it ended. Small, always whole, read by the panel's list of runs."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..events import Event, RunEnded, RunStarted, Saved, StepDone, Validated
from ..files.atomic import write_text
from ..files.strangers import parse, read_inside
from .records import number

RUN_NAME = "run.json"
GRAPH_NAME = "graph.json"
_SECONDS_BETWEEN_WRITES = 2.0
_NEW_PART = 0.03  # the panel's own smoothing


_NUMBER = (int, float)
#: What readers count on; what is of another type was not written here.
_TYPES: dict[str, type | tuple[type, ...]] = {
    "created": _NUMBER, "updated": _NUMBER, "status": str, "step": int, "total_steps": int, "settings": dict, "summary": dict,
    "lora_path": str, "error": str,
}


def read_run(folder: Path) -> dict[str, Any] | None:
    """The content of run.json, without what is of another type than it must be; None when there is none or it is not a JSON object."""
    try:
        content = parse(read_inside(folder, RUN_NAME) or b"")
    except ValueError:
        return None
    if not isinstance(content, dict):
        return None
    run = {name: value for name, value in content.items() if value is None or isinstance(value, _TYPES.get(name, object))}
    if "summary" in run:
        run["summary"] = {name: value for name, value in (run["summary"] or {}).items() if _is_total(value)}
    return run


def _smoothed(before: float | None, loss: float, steps: int) -> float | None:
    """The mean of the first steps, then one that forgets: a single step's loss is noise, and no rank among runs."""
    if before is None or not math.isfinite(loss):
        return loss if before is None else before
    return before + max(1 / steps, _NEW_PART) * (loss - before)


def read_graph(folder: Path) -> dict[str, Any] | None:
    """What was queued for the run: "workflow", "prompt" and "node"; None where it was not kept or cannot be read."""
    try:
        graph = parse(read_inside(folder, GRAPH_NAME) or b"")
    except ValueError:
        return None
    return graph if isinstance(graph, dict) else None


def _is_total(value: Any) -> bool:
    """Numbers; those of the best validation stand together."""
    return value is None or isinstance(value, _NUMBER) or (isinstance(value, dict) and all(map(_is_total, value.values())))


class RunJson:
    """Keeps run.json true: written at the start, every few seconds, and at the end.

    A resumed run keeps its creation time and adds to its totals. What was queued goes to graph.json beside it, so
    that the panel can open it again or queue it to resume: `workflow` is the canvas as ComfyUI saves it, `prompt`
    what was sent to be executed, `node_id` the Train LoRA node in it.
    """

    name = RUN_NAME
    critical = False

    def __init__(self, folder: Path, workflow: Mapping[str, Any] | None = None, prompt: Mapping[str, Any] | None = None,
                 node_id: str = "", clock: Callable[[], float] = time.time):
        self._folder = folder
        self._graph = {"workflow": workflow, "prompt": prompt, "node": node_id}
        self._clock = clock
        self._written = 0.0
        self._graph_is_due = False
        self._run: dict[str, Any] = {"name": folder.name, "created": clock(), "status": "running", "step": 0,
                                     "total_steps": 0, "settings": {}, "lora_path": None, "summary": {}}

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._start(event)
        elif isinstance(event, StepDone):
            self._add_step(event)
            if self._clock() - self._written < _SECONDS_BETWEEN_WRITES:
                return
        elif isinstance(event, Validated):
            self._add_validation(event)
        elif isinstance(event, Saved) and event.kind == "lora":
            self._run["lora_path"] = str(event.path)
        elif isinstance(event, RunEnded):
            self._end(event)
        else:
            return
        self._write(precious=isinstance(event, RunEnded))

    def _start(self, event: RunStarted) -> None:
        before = read_run(self._folder) if event.start_step else None
        if before:
            self._run["created"] = before.get("created", self._run["created"])
            self._run["lora_path"] = before.get("lora_path")
            self._run["summary"] = before.get("summary") or {}
        self._run.update(step=event.start_step, total_steps=event.total_steps,
                         settings=dict(event.settings))
        self._graph_is_due = bool(self._graph["workflow"] or self._graph["prompt"])

    def _add_step(self, event: StepDone) -> None:
        summary = self._run["summary"]
        self._run.update(step=event.step, total_steps=event.total_steps)
        summary["steps"] = summary.get("steps", 0) + 1
        summary["items"] = summary.get("items", 0) + event.items
        summary["seconds"] = number(summary.get("seconds", 0.0) + event.seconds)
        summary["loss"] = number(event.loss)
        summary["smoothed_loss"] = number(_smoothed(summary.get("smoothed_loss"), event.loss, summary["steps"]))
        if summary["seconds"]:
            summary["seconds_per_step"] = number(summary["seconds"] / summary["steps"])
            summary["images_per_second"] = number(summary["items"] / summary["seconds"])
        if event.peak_memory_bytes is not None:
            summary["peak_memory"] = max(event.peak_memory_bytes, summary.get("peak_memory") or 0)

    def _add_validation(self, event: Validated) -> None:
        if event.is_best:
            self._run["summary"]["best"] = {
                "step": event.step, "loss": number(event.loss), "relative": number(event.relative)
            }

    def _end(self, event: RunEnded) -> None:
        self._run.update(status=event.reason, step=event.step, total_steps=event.total_steps, error=event.error,
                         missing=list(event.missing))
        if event.lora_path:
            self._run["lora_path"] = str(event.lora_path)

    def _write(self, precious: bool = False) -> None:
        self._written = self._clock()
        self._run["updated"] = self._written
        write_text(self._folder / RUN_NAME, json.dumps(self._run, ensure_ascii=False, indent=1, default=str), precious=precious)
        if self._graph_is_due:
            write_text(self._folder / GRAPH_NAME, json.dumps(self._graph, ensure_ascii=False))
            self._graph_is_due = False
