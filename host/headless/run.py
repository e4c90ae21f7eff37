"""What `headless.py` calls once ComfyUI is started: a workflow file to an exit code."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import folder_paths
from tqdm.contrib.logging import logging_redirect_tqdm

from ...training.errors import ProcessesError
from ...training.events import cause_of
from ...training.processes.joined import joined
from ..runs.run_folders import runs_root
from .changes import Change, apply, title_of
from .progress import Display
from .queue import Ending, carried_out
from .workflow import WorkflowError, to_api

TRAINER = "LoRACanvasTrainLoRA"
DONE, FAILED, CANNOT_RUN, STOPPED = 0, 1, 2, 130


def run(file: Path, changes: list[str]) -> int:
    """The exit code; why it is not 0 is the last line on stderr. Of several processes the main one runs the whole workflow and shows it,
    the others train with it. However one ends, the others are told."""
    os.makedirs(folder_paths.get_temp_directory(), exist_ok=True)
    try:
        processes, word = joined(), "has ended"
    except ProcessesError as problem:
        print(problem, file=sys.stderr, flush=True)
        return FAILED
    try:
        ending, runs = (_shown if processes.is_main else _helped)(file, *prepared(file, changes))
        word = f"has ended: {ending.failure}" if ending.failure else word
        return _told(ending, runs, is_alone=processes.size == 1)
    except WorkflowError as problem:
        word = f"has ended: {file.name} cannot be run: {problem}"
        print(f"{file.name} cannot be run: {problem}", file=sys.stderr, flush=True)
        return CANNOT_RUN
    except BaseException as error:
        word = f"has ended: {cause_of(error)}"
        raise
    finally:
        processes.leave(word, is_failure=word != "has ended")


def _shown(file: Path, prompt: dict, workflow: dict | None, info: dict) -> tuple[Ending, list[str]]:
    """How the whole workflow ended, and the names of its runs."""
    display = Display({node_id: title_of(node, info) for node_id, node in prompt.items()}, says_messages=False)
    print(f"Running {file.name}: {len(prompt)} nodes", flush=True)
    with logging_redirect_tqdm():
        ending = carried_out(prompt, workflow, display, display.say)
    display.close()
    return ending, display.runs


def _helped(_file: Path, prompt: dict, workflow: dict | None, _info: dict) -> tuple[Ending, list[str]]:
    """As `_shown`, of what leads to the training, and that: it ends there, which is no failure."""
    trainers = [node_id for node_id, node in prompt.items() if node["class_type"] == TRAINER]
    ending = carried_out(prompt, workflow, lambda *_: None, lambda *_: None, only=trainers)
    if ending.was_stopped:
        return Ending(None, False), []
    return replace(ending, failure=f"Process {joined().rank}: {ending.failure}" if ending.failure else None), []


def prepared(file: Path, changes: list[str]) -> tuple[dict, dict | None, dict]:
    """(the prompt, the canvas' file where it is one, what ComfyUI knows of its nodes' classes). Raises WorkflowError."""
    wanted, info = [Change.read(written) for written in changes], object_info()
    content = _read(file)
    workflow = content if isinstance(content.get("nodes"), list) else None
    prompt = to_api(workflow, info) if workflow else _as_api(content, info)
    apply(wanted, prompt, info, workflow)
    return prompt, workflow, info


def object_info() -> dict[str, dict[str, Any]]:
    """Of every class of node what the canvas is told of its inputs, and its name there."""
    nodes = import_module("nodes")  # ComfyUI's
    titles = nodes.NODE_DISPLAY_NAME_MAPPINGS
    return {name: {"input": kind.INPUT_TYPES(), "display_name": titles.get(name, name)} for name, kind in nodes.NODE_CLASS_MAPPINGS.items()}


def _read(file: Path) -> dict:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WorkflowError(f"it cannot be read as JSON: {error}") from None
    if not isinstance(content, dict):
        raise WorkflowError("it holds no workflow")
    return content


def _as_api(content: dict, info: dict) -> dict[str, dict]:
    """A prompt as it was exported, or as a run's run.json and ComfyUI's queue hold it."""
    if not all(isinstance(node, dict) and "class_type" in node for node in content.values()) or not content:
        raise WorkflowError("it is neither a workflow of the canvas nor one in API format")
    for node_id, node in content.items():
        if node["class_type"] not in info:
            raise WorkflowError(f"node {node_id} has the type {node['class_type']!r}, which this ComfyUI does not know")
        node.setdefault("inputs", {})
    return content


def _told(ending: Ending, runs: list[str], is_alone: bool) -> int:
    """Launchers take any code but 0 for a failure: they say so at length, exit with 1 whatever it was, and may start all anew."""
    for name in runs:
        print(f"Run folder: {runs_root() / name}", flush=True)
    if ending.failure is not None:
        print(ending.failure, file=sys.stderr, flush=True)
    if ending.was_stopped:
        return STOPPED if is_alone else DONE
    return DONE if ending.failure is None else FAILED
