"""What is connected to the Train LoRA node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..training.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """The models, what to train and how, and the graph that it happens in: `workflow` is the canvas as ComfyUI saves it,
    `prompt` what was queued, `node_id` the node that runs.

    Inside a loop, or a node that expands into others, what runs is a copy with an id of its own, which only `dynprompt`,
    ComfyUI's DynamicPrompt, knows.
    """

    model: Any
    clip: Any
    vae: Any
    recipe: Recipe
    node_id: str = ""
    workflow: dict | None = None
    prompt: dict | None = None
    dynprompt: Any = None

    @property
    def shown_as(self) -> str:
        """The id of the node on the canvas, and in `prompt`."""
        return self.node_id if self.dynprompt is None else str(self.dynprompt.get_display_node_id(self.node_id))

    @cached_property
    def nodes(self) -> Mapping[str, Any]:
        """Every node by its id, copies too."""
        if self.dynprompt is None:
            return self.prompt or {}
        return {node_id: self.dynprompt.get_node(node_id) for node_id in self.dynprompt.all_node_ids()}
