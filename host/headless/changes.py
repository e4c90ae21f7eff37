"""What `--set "Train LoRA.steps"=2000` asks for: other values of widgets, in the prompt and in the file that the run keeps of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...training.registry import near_names
from .workflow import WorkflowError, widgets, write_widget

TRUE, FALSE = {"true", "on", "yes", "1"}, {"false", "off", "no", "0"}


@dataclass(frozen=True)
class Change:
    """`node` is a title, a class or a number; `text` the value as it was typed."""

    node: str
    widget: str
    text: str

    @classmethod
    def read(cls, written: str) -> Change:
        """Raises WorkflowError unless it is NODE.WIDGET=VALUE."""
        target, is_there, text = written.partition("=")
        node, dot, widget = target.rpartition(".")
        if not (is_there and dot and node and widget):
            raise WorkflowError(f"--set {written!r} is not NODE.WIDGET=VALUE, like \"Train LoRA.steps\"=2000")
        return cls(node.strip(), widget.strip(), text)


def apply(changes: list[Change], prompt: dict[str, dict], object_info: dict[str, dict], workflow: dict | None) -> None:
    """Change the prompt, and the canvas' file where there is one. Raises WorkflowError for what does not fit, naming what would."""
    nodes = {str(node["id"]): node for node in (workflow or {}).get("nodes", [])}
    for change in changes:
        node_id = _node(change, prompt, object_info)
        info = object_info[prompt[node_id]["class_type"]]
        value = _value(change, info, prompt[node_id]["inputs"])
        prompt[node_id]["inputs"][change.widget] = value
        if node_id in nodes:
            write_widget(nodes[node_id], info, change.widget, value)


def title_of(node: dict, object_info: dict[str, dict]) -> str:
    """What a node is called: its own title, else its class' name on the canvas."""
    kind = node["class_type"]
    return node.get("_meta", {}).get("title") or object_info.get(kind, {}).get("display_name") or kind


def _node(change: Change, prompt: dict[str, dict], object_info: dict[str, dict]) -> str:
    names = {node_id: (title_of(node, object_info), node["class_type"]) for node_id, node in prompt.items()}
    if change.node in prompt:
        return change.node
    found = [node_id for node_id, called in names.items() if change.node in called]
    if len(found) > 1:
        raise WorkflowError(f"--set: {len(found)} nodes are called {change.node!r}. Say which by its number: {', '.join(found)}.")
    if not found:
        raise WorkflowError(f"--set: no node is called {change.node!r}. {near_names(change.node, [title for title, _ in names.values()])}")
    return found[0]


def _value(change: Change, info: dict, given: dict[str, Any]) -> Any:
    known = {name: (kind, options) for name, kind, options in widgets(info)}
    if change.widget not in known:
        raise WorkflowError(f"--set: {change.node!r} has no widget {change.widget!r}. {near_names(change.widget, list(known))}")
    if isinstance(given.get(change.widget), list):
        raise WorkflowError(f"--set: {change.widget!r} of {change.node!r} is wired: change the node that it gets its value from.")
    kind, _ = known[change.widget]
    try:
        return _READ.get(kind, str)(change.text)
    except ValueError:
        raise WorkflowError(f"--set: {change.widget!r} of {change.node!r} is of the kind {kind}, and {change.text!r} is none.") from None


def _boolean(text: str) -> bool:
    if text.strip().lower() in TRUE | FALSE:
        return text.strip().lower() in TRUE
    raise ValueError(text)


_READ = {"INT": int, "FLOAT": float, "BOOLEAN": _boolean}
