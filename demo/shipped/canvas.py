"""A canvas to put nodes on: writes the workflow format that ComfyUI's frontend saves (version 0.4).

Sockets and widgets come from the server's /object_info, so a workflow cannot name what does not exist.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ..comfyui.workflow import SEEDS, WIDGET_TYPES, WorkflowError, widget_values
from .notes import large

NAMESPACE = uuid.UUID("5e1c7a5e-0000-4000-8000-10ca0ca0ca0a")
PACK_ID, PACK_VERSION, CORE_VERSION = "lora-canvas", "0.1.0", "0.3.75"
#: Dark: what one of the frontends writes on them is grey.
NOTE_COLOURS = {"color": "#222", "bgcolor": "#111"}


@dataclass
class Placed:
    """A node on the canvas; `node.out("model")` is an output to connect."""

    id: int
    kind: str
    data: dict

    def out(self, name: str) -> tuple["Placed", str]:
        return self, name


@dataclass
class Canvas:
    """`info` is /object_info; positions and sizes are in the canvas's pixels."""

    name: str
    info: dict[str, dict]
    nodes: list[Placed] = field(default_factory=list)
    links: list[list] = field(default_factory=list)
    groups: list[dict] = field(default_factory=list)

    def columns(self, *widths: int) -> tuple["Column", ...]:
        """Side by side, from the left."""
        ends = [0]
        for width in widths:
            ends.append(ends[-1] + width + SPACE)
        return tuple(Column(self, x, width) for x, width in zip(ends, widths))

    def add(self, kind: str, at: tuple[int, int], size: tuple[int, int], widgets: dict[str, Any] | None = None,
            title: str | None = None, models: list[dict] | None = None, folded: bool = False, open: bool = False,
            **sources: tuple[Placed, str]) -> Placed:
        """Put a node down, set widgets by name, and connect its inputs to outputs: add(..., model=loader.out("MODEL")).

        folded: only its title shows. open: what need not be set shows too."""
        info = self.info[kind]
        placed = Placed(len(self.nodes) + 1, kind, {
            "id": len(self.nodes) + 1, "type": kind, "pos": list(at), "size": list(size),
            "flags": {"collapsed": True} if folded else {}, "order": len(self.nodes),
            "mode": 0, "inputs": _sockets(info), "outputs": _outputs(info), "properties": _properties(kind, models),
            "widgets_values": _values(kind, info, widgets or {}),
        })
        if title:
            placed.data["title"] = title
        if open:
            placed.data["showAdvanced"] = True
        self.nodes.append(placed)
        for name, (source, output) in sources.items():
            self._connect(source, output, placed, name)
        return placed

    def note(self, text: str, at: tuple[int, int], size: tuple[int, int], title: str = "Read me") -> None:
        """A note in Markdown; `at` is where its body begins, below the title."""
        number = len(self.nodes) + 1
        self.nodes.append(Placed(number, "MarkdownNote", {
            "id": number, "type": "MarkdownNote", "pos": list(at), "size": list(size), "flags": {}, "order": number - 1, "mode": 0,
            "inputs": [], "outputs": [], "title": title, "properties": {}, "widgets_values": [large(text)], **NOTE_COLOURS,
        }))

    def group(self, title: str, bounding: tuple[int, int, int, int], colour: str = "#a9c9de") -> None:
        """A frame: x, y, width, height."""
        self.groups.append({"id": len(self.groups) + 1, "title": title, "bounding": list(bounding), "color": colour,
                            "font_size": 14, "flags": {}})

    def workflow(self) -> dict:
        """What goes into the .json file."""
        return {
            "id": str(uuid.uuid5(NAMESPACE, self.name)), "revision": 0, "last_node_id": len(self.nodes),
            "last_link_id": len(self.links), "nodes": [node.data for node in self.nodes], "links": self.links,
            "groups": self.groups, "config": {}, "extra": {}, "version": 0.4,
        }

    def widgets(self, placed: Placed) -> dict[str, tuple[str, Any]]:
        """A node's widgets by name, in the schema's order: their types and their values."""
        values = widget_values(placed.data, self.info[placed.kind])
        return {
            name: ("COMBO" if isinstance(kind, list) else kind, values[name])
            for name, kind, options, _ in _entries(self.info[placed.kind]) if _is_widget(kind, options)
        }

    def _connect(self, source: Placed, output: str, target: Placed, name: str) -> None:
        slot = _index(source.data["outputs"], output, source.kind)
        socket = _index(target.data["inputs"], name, target.kind)
        number = len(self.links) + 1
        kind = source.data["outputs"][slot]["type"]
        source.data["outputs"][slot]["links"].append(number)
        target.data["inputs"][socket]["link"] = number
        self.links.append([number, source.id, slot, target.id, socket, kind])


#: What the frontend shows at once, with letters of 11 pixels and more, in a window of 1280 x 720: width, height.
SHEET = 1027, 569
#: Three columns and one of folded nodes, which Vue does not draw narrower, fill the sheet.
COLUMN, SHELF, SPACE = 248, 241, 14
#: How tall things are, as the classic canvas draws them.
TITLE, GAP, SLOT, WIDGET, TEXT_BOX = 30, 8, 20, 24, 100
#: What Vue adds below: the pack's name, and the switch where something is folded away.
BADGE, FOOTER = 28, 48
#: A node of which only the title shows, with the space below it; the frame around several, with its title.
FOLDED, FRAME, HEADING = 36, 8, 34
#: Nodes that show on their face what they found (web/node_text.mjs), where nothing else is said; and one with a button for its pictures.
ROOM = {"LoRACanvasAutoCaption": 160, "LoRACanvasSaveLoRA": 160, "LoRACanvasLoadDataset": WIDGET}


@dataclass
class Column:
    """Nodes below each other; `y` is where the next one's title begins."""

    canvas: Canvas
    x: int
    width: int
    y: int = 0

    def add(self, kind: str, widgets: dict[str, Any] | None = None, *, room: int = 0, open: bool = False, **rest: Any) -> Placed:
        """As `Canvas.add`, below what is there; `room` is for what the node shows of itself, such as a picture."""
        height = _height(self.canvas.info[kind], open) + (room or ROOM.get(kind, 0))
        placed = self.canvas.add(kind, (self.x, self.y + TITLE), (self.width, height), widgets, open=open, **rest)
        self.y += TITLE + height + (FOOTER if _has_switch(self.canvas.info[kind]) else BADGE) + GAP
        return placed

    def fold(self, kind: str, widgets: dict[str, Any] | None = None, **rest: Any) -> Placed:
        """As `add`, of which only the title shows. Opened, the node takes the height that it needs; one kept for it here would be
        brought into view too where Vue draws the nodes, and all letters be smaller."""
        placed = self.canvas.add(kind, (self.x, self.y + TITLE), (OPENED, TITLE), widgets, folded=True, **rest)
        self.y += FOLDED
        return placed

    def note(self, text: str, height: int | None = None) -> None:
        """Without a height: in what is left of the sheet."""
        height = height or SHEET[1] - self.y - TITLE
        self.canvas.note(text, (self.x, self.y + TITLE), (self.width, height))
        self.y += TITLE + height + GAP

    @contextmanager
    def frame(self, title: str) -> Iterator["Column"]:
        """A frame around the folded nodes that are added meanwhile."""
        top, inner = self.y, Column(self.canvas, self.x + FRAME, self.width - 2 * FRAME, self.y + HEADING)
        yield inner
        self.canvas.group(title, (self.x, top, self.width, inner.y - top))
        self.y = inner.y + GAP


#: The width of a folded node that is opened: no wider than its frame.
OPENED = SHELF - 2 * FRAME


def _height(info: dict, open: bool) -> int:
    """Of a node's body: its sockets, its widgets without those that are folded away, and the switch where there are some."""
    entries = _entries(info)
    widgets = [options for _, kind, options, _ in entries if _is_widget(kind, options)]
    shown = [options for options in widgets if open or not _is_folded(info, options)]
    boxes = sum(bool(options.get("multiline")) for options in shown)
    slots = max(len(entries) - len(widgets), len(info["output"]))
    return SLOT * slots + WIDGET * (len(shown) - boxes + _has_switch(info)) + TEXT_BOX * boxes + 12


def _is_folded(info: dict, options: dict) -> bool:
    """The classic canvas folds only what is ours."""
    return bool(options.get("advanced")) and info["name"].startswith("LoRACanvas")


def _has_switch(info: dict) -> bool:
    return any(_is_folded(info, options) for _, kind, options, _ in _entries(info) if _is_widget(kind, options))


def _entries(info: dict) -> list[tuple[str, Any, dict, bool]]:
    """(name, type, options, optional) of every input, in the schema's order."""
    found = []
    for group in ("required", "optional"):
        for name in info["input_order"].get(group, []):
            kind, *rest = info["input"][group][name]
            found.append((name, kind, rest[0] if rest else {}, group == "optional"))
    return found


def _is_widget(kind: Any, options: dict) -> bool:
    return (isinstance(kind, list) or kind in WIDGET_TYPES) and not options.get("forceInput")


def _sockets(info: dict) -> list[dict]:
    return [
        {"name": name, "type": kind, "link": None, **({"shape": 7} if optional else {})}
        for name, kind, options, optional in _entries(info)
        if not _is_widget(kind, options)
    ]


def _outputs(info: dict) -> list[dict]:
    return [{"name": name, "type": kind, "links": []} for name, kind in zip(info["output_name"], info["output"], strict=True)]


def _values(kind: str, info: dict, given: dict[str, Any]) -> list:
    """Positional widget values: what was given, else the default; a seed's extra widget is 'fixed'."""
    values, known = [], set()
    for name, widget, options, _ in _entries(info):
        if not _is_widget(widget, options):
            continue
        known.add(name)
        choices = widget if isinstance(widget, list) else options.get("options")
        values.append(given.get(name, options.get("default", choices[0] if choices else None)))
        if options.get("control_after_generate") or (name in SEEDS and options.get("control_after_generate") is not False):
            values.append("fixed")
    if given.keys() - known:
        raise WorkflowError(f"{kind} has no widgets {sorted(given.keys() - known)}")
    return values


def _properties(kind: str, models: list[dict] | None) -> dict:
    ours = kind.startswith("LoRACanvas")
    pack = {"cnr_id": PACK_ID, "ver": PACK_VERSION} if ours else {"cnr_id": "comfy-core", "ver": CORE_VERSION}
    return {**pack, "Node name for S&R": kind, **({"models": models} if models else {})}


def _index(slots: list[dict], name: str, kind: str) -> int:
    names = [slot["name"] for slot in slots]
    if name not in names:
        raise WorkflowError(f"{kind} has no socket {name!r}; it has {names}")
    return names.index(name)
