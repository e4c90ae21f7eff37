"""What is connected to the Train LoRA node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..training.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """The models, what to train and how, and the graph that it happens in: `workflow` is the canvas as ComfyUI saves it,
    `prompt` what was queued, `node_id` the node in it."""

    model: Any
    clip: Any
    vae: Any
    recipe: Recipe
    node_id: str = ""
    workflow: dict | None = None
    prompt: dict | None = None
