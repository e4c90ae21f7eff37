"""The shipped workflows as prompts that a small machine runs: values are changed, nothing is rewired."""

import json
from pathlib import Path

from pack.demo.comfyui.workflow import to_api

WORKFLOWS = Path(__file__).resolve().parents[2] / "workflows"
SMALL = {
    "steps": 2, "width": 64, "height": 64, "resolution": 128, "min_bucket": 64, "max_bucket": 256, "sampling_steps": 2, "end_at_step": 1,
    "folder": "lcfox", "save_every_n_steps": 0, "every_n_steps": 1, "strengths": "1", "run": "workflow", "resume": "",
}


def workflow(name: str) -> dict:
    return json.loads((WORKFLOWS / f"{name}.json").read_text(encoding="utf-8"))


def small(name: str, info: dict, **changed) -> dict:
    """The workflow's prompt with few steps and small pictures; `changed` are further values of widgets, by name."""
    prompt = to_api(workflow(name), info)
    for node in prompt.values():
        given = node["inputs"]
        given.update({name: value for name, value in {**SMALL, **changed}.items() if name in given and not isinstance(given[name], list)})
    return prompt
