"""From the workflow file that the canvas saves (UI format 0.4) to the prompt that the server runs (API format).

The canvas does this in the browser. Here it is done offline, for runs without one, and so that the demo and the tests run the very
files that are shipped. Widget values are positional in the file; their names come from the server's /object_info.
"""

from dataclasses import dataclass
from typing import Any

MUTED, BYPASSED = 2, 4
WIDGET_TYPES = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}
ONLY_IN_THE_CANVAS = {"Note", "MarkdownNote", "Reroute", "PrimitiveNode"}
# After a seed the canvas keeps one more widget, which exists only there.
AFTER_GENERATE = {"fixed", "increment", "decrement", "randomize"}
SEEDS = {"seed", "noise_seed"}


#: What the canvas gives widgets that a file does not know yet, where that is not their default (web/saved_before.mjs).
AS_BEFORE = {("LoRACanvasTrainLoRA", "memory"): "by hand"}


class WorkflowError(Exception):
    """The workflow cannot be run as it is; the text names the node."""


@dataclass(frozen=True)
class Link:
    """An output slot of a node."""

    node: str
    slot: int


def to_api(workflow: dict, object_info: dict[str, dict]) -> dict[str, dict]:
    """The prompt: {node id: {"class_type", "inputs", "_meta": {"title"}}}; muted and bypassed nodes are left out."""
    _refuse_subgraphs(workflow)
    nodes = {str(node["id"]): node for node in workflow["nodes"]}
    sources = {link[0]: Link(str(link[1]), link[2]) for link in workflow["links"]}
    prompt = {}
    for node_id, node in nodes.items():
        kind = node["type"]
        if node.get("mode", 0) in (MUTED, BYPASSED) or kind in ONLY_IN_THE_CANVAS:
            continue
        if kind not in object_info:
            raise WorkflowError(f"node {node_id} has the type {kind!r}, which this ComfyUI does not know")
        inputs = widget_values(node, object_info[kind])
        for socket in node.get("inputs", []):
            value = _resolve(socket.get("link"), nodes, sources)
            if value is not None:
                inputs[socket["name"]] = value
        title = node.get("title") or object_info[kind].get("display_name") or kind
        prompt[node_id] = {"class_type": kind, "inputs": inputs, "_meta": {"title": title}}
    return prompt


def widget_values(node: dict, info: dict) -> dict[str, Any]:
    """A node's widget values by name. Widgets that the file does not know yet (newer nodes) get their defaults, or
    what was done before they were there."""
    saved = node.get("widgets_values") or []
    if isinstance(saved, dict):
        return {name: saved[name] for name, _, _ in widgets(info) if name in saved}
    places, values = _places(saved, info), {}
    for name, _, options in widgets(info):
        if name in places:
            values[name] = saved[places[name]]
        elif "default" in options:
            values[name] = AS_BEFORE.get((node["type"], name), options["default"])
    return values


def write_widget(node: dict, info: dict, name: str, value: Any) -> None:
    """Put a widget's value into the file's node, which then also says what stands before it and was not known yet."""
    saved = node.setdefault("widgets_values", [])
    if isinstance(saved, dict):
        saved[name] = value
        return
    places, values = _places(saved, info), widget_values(node, info)
    for other in [other for other, _, _ in widgets(info) if other not in places]:
        if name in places:
            break
        places[other] = len(saved)
        saved.append(values.get(other))
    saved[places[name]] = value


def _places(saved: list, info: dict) -> dict[str, int]:
    """Where in the file's list each widget's value stands that it has."""
    places, position = {}, 0
    for name, kind, options in widgets(info):
        if position >= len(saved):
            break
        places[name] = position
        position += 1
        following = saved[position] if position < len(saved) else None
        if kind == "INT" and _has_control(name, options) and following in AFTER_GENERATE:
            position += 1
        elif options.get("image_upload") and following == "image":
            position += 1
    return places


def find(prompt: dict[str, dict], class_type: str) -> dict[str, Any]:
    """The inputs of the prompt's only node of a class; write to them to change the prompt."""
    found = [node["inputs"] for node in prompt.values() if node["class_type"] == class_type]
    if len(found) != 1:
        raise WorkflowError(f"the workflow has {len(found)} nodes of the type {class_type}, expected one")
    return found[0]


def widgets(info: dict) -> list[tuple[str, str, dict]]:
    """The inputs of a node class that are widgets, in the canvas's order: (name, type, options)."""
    found = []
    for group in ("required", "optional"):
        for name, spec in info["input"].get(group, {}).items():
            kind = "COMBO" if isinstance(spec[0], (list, tuple)) else spec[0]
            options = spec[1] if len(spec) > 1 else {}
            if kind in WIDGET_TYPES and not options.get("forceInput"):
                found.append((name, kind, options))
    return found


def _has_control(name: str, options: dict) -> bool:
    return bool(options.get("control_after_generate", name in SEEDS))


def _resolve(link_id: int | None, nodes: dict[str, dict], sources: dict[int, Link]) -> Any:
    """What a socket gets: [node id, slot], a primitive's value, or None where nothing arrives."""
    while link_id is not None:
        source = sources[link_id]
        node = nodes[source.node]
        mode, kind = node.get("mode", 0), node["type"]
        if mode == MUTED:
            return None
        if mode == BYPASSED:
            link_id = _through_bypassed(node, source.slot)
        elif kind == "Reroute":
            link_id = node["inputs"][0].get("link")
        elif kind == "PrimitiveNode":
            return node["widgets_values"][0]
        else:
            return [source.node, source.slot]
    return None


def _through_bypassed(node: dict, slot: int) -> int | None:
    """The link that a bypassed node hands on at an output slot: that of its first input of the same type."""
    wanted = node["outputs"][slot]["type"]
    for socket in node.get("inputs", []):
        if socket["type"] == wanted and socket.get("link") is not None:
            return socket["link"]
    return None


def _refuse_subgraphs(workflow: dict) -> None:
    subgraphs = {graph["id"] for graph in workflow.get("definitions", {}).get("subgraphs", [])}
    for node in workflow["nodes"]:
        if node["type"] in subgraphs:
            raise WorkflowError(f"node {node['id']} is a subgraph; unpack it in the canvas first")
