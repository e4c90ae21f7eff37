"""A canvas folded into one node: writes the blueprint format that ComfyUI's frontend offers in its node library.

A blueprint is a workflow (version 0.4) whose only node is a subgraph. Inside, -10 stands for the subgraph's inputs and -20 for its
outputs; an input that is joined to widgets shows as a widget of the one node.
"""

import uuid
from dataclasses import dataclass

from .canvas import NAMESPACE, Canvas, Placed

INPUTS, OUTPUTS = -10, -20
ROW = 20


@dataclass(frozen=True)
class Door:
    """An input or output of the one node: its name, and the sockets or widgets inside that it is joined to."""

    name: str
    places: tuple[tuple[Placed, str], ...]


def door(name: str, *places: tuple[Placed, str]) -> Door:
    return Door(name, places)


def blueprint(canvas: Canvas, description: str, inputs: list[Door], outputs: list[Door], width: int = 400) -> dict:
    """What goes into subgraphs/<name>.json. The widgets' values are those that the first joined node has on the canvas."""
    name, links = canvas.name, [_link(*link) for link in canvas.links]
    widgets = {node.id: canvas.widgets(node) for node in canvas.nodes}
    for node in canvas.nodes:
        # Inside a subgraph the frontend goes by the number of an input, and each widget is one, behind the sockets.
        node.data["inputs"] += [
            {"name": widget, "type": kind, "widget": {"name": widget}, "link": None} for widget, (kind, _) in widgets[node.id].items()
        ]
    identity = str(uuid.uuid5(NAMESPACE, f"blueprint {name}"))
    entries = [_enter(widgets, slot, one, links) for slot, one in enumerate(inputs)]
    exits = [_leave(slot, one, links) for slot, one in enumerate(outputs)]
    right = max(node.data["pos"][0] + node.data["size"][0] for node in canvas.nodes) + 120
    definition = {
        "id": identity, "version": 1, "revision": 0, "name": name,
        "state": {"lastGroupId": 0, "lastNodeId": len(canvas.nodes), "lastLinkId": len(links), "lastRerouteId": 0},
        "inputNode": {"id": INPUTS, "bounding": [-240, 0, 140, ROW * (len(entries) + 2)]},
        "outputNode": {"id": OUTPUTS, "bounding": [right, 0, 140, ROW * (len(exits) + 2)]},
        "inputs": [_door(entry, name, -120, slot) for slot, entry in enumerate(entries)],
        "outputs": [_door(leaving, name, right + 20, slot) for slot, leaving in enumerate(exits)],
        "widgets": [], "nodes": [node.data for node in canvas.nodes], "groups": [], "links": links, "config": {}, "extra": {},
    }
    shown = [entry for entry in entries if "value" in entry]
    one = {
        "id": 1, "type": identity, "pos": [0, 0], "size": [width, 30 * len(entries) + 90],
        "flags": {}, "order": 0, "mode": 0, "title": name,
        "inputs": [_socket(entry) for entry in entries],
        "outputs": [{"name": leaving["name"], "label": label(leaving["name"]), "type": leaving["type"], "links": []} for leaving in exits],
        "properties": {"proxyWidgets": [["-1", entry["name"]] for entry in shown], "cnr_id": "lora-canvas", "ver": "0.1.0"},
        "widgets_values": [entry["value"] for entry in shown],
    }
    return {
        "id": str(uuid.uuid5(NAMESPACE, f"blueprint file {name}")), "revision": 0, "last_node_id": 1, "last_link_id": 0, "nodes": [one],
        "links": [], "groups": [], "definitions": {"subgraphs": [definition]}, "config": {}, "extra": {"BlueprintDescription": description},
        "version": 0.4,
    }


def _link(number: int, source: int, slot: int, target: int, socket: int, kind: str) -> dict:
    return {"id": number, "origin_id": source, "origin_slot": slot, "target_id": target, "target_slot": socket, "type": kind}


def _enter(widgets: dict[int, dict[str, tuple]], slot: int, one: Door, links: list[dict]) -> dict:
    """Joins an input to its places: {"name", "type", "linkIds"}, with "value" where the places are widgets."""
    entry: dict = {"name": one.name, "linkIds": []}
    for placed, name in one.places:
        if name in widgets[placed.id]:
            entry.setdefault("value", widgets[placed.id][name][1])
        sockets = placed.data["inputs"]
        index = next(index for index, socket in enumerate(sockets) if socket["name"] == name)
        entry["type"] = sockets[index]["type"]
        sockets[index]["link"] = number = len(links) + 1
        links.append(_link(number, INPUTS, slot, placed.id, index, entry["type"]))
        entry["linkIds"].append(number)
    return entry


def _leave(slot: int, one: Door, links: list[dict]) -> dict:
    [(placed, name)] = one.places
    index = next(index for index, output in enumerate(placed.data["outputs"]) if output["name"] == name)
    kind = placed.data["outputs"][index]["type"]
    number = len(links) + 1
    placed.data["outputs"][index]["links"].append(number)
    links.append(_link(number, placed.id, index, OUTPUTS, slot, kind))
    return {"name": one.name, "type": kind, "linkIds": [number]}


def _door(entry: dict, blueprint_name: str, x: int, slot: int) -> dict:
    identity = str(uuid.uuid5(NAMESPACE, f"{blueprint_name} {x} {entry['name']}"))
    names = {"name": entry["name"], "label": label(entry["name"])}
    return {"id": identity, **names, "type": entry["type"], "linkIds": entry["linkIds"], "pos": [x, ROW * (slot + 1)]}


def _socket(entry: dict) -> dict:
    widget = {"widget": {"name": entry["name"]}} if "value" in entry else {}
    return {"name": entry["name"], "label": label(entry["name"]), "type": entry["type"], "link": None, **widget}


def label(name: str) -> str:
    """What the one node calls it: no locale reaches inside a blueprint."""
    return name.upper() if name in ("clip", "vae", "cfg") else name.replace("_", " ").capitalize()
