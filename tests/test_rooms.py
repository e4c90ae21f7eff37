"""The rooms: who may import whom, how much lies in one, and that each says what is in it.

A room is a folder; a file that lies in training/ or host/ itself is a room of its own (the ground that every room stands
on, or the roof over several).
"""

from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from pack.tests.test_boundary import imports

ROOT = Path(__file__).resolve().parents[1]
MOST_FILES = 18

#: From the ground up: a room imports only what stands before it. A room and those inside it stand in one line.
TRAINING = (
    "errors version wording registry seeds ops specs events protocols parts patterns rules families",
    "files",
    "data data/folder data/advice",
    "captioning",
    "network/kinds network",
    "objective",
    "optim",
    "memory",
    "order",
    "drawing",
    "lora_file",
    "record",
    "run",
)
FILES = {
    room: sorted((ROOT / room).rglob("*.py")) for room in ("training", "host")
}


def module_of(name: str, root: Path = ROOT) -> Path | None:
    """The file of `pack.a.b[.symbol]`; None for what is not ours."""
    parts = name.split(".")
    if parts[0] != "pack":
        return None
    for length in (len(parts), len(parts) - 1):
        path = root.joinpath(*parts[1:length])
        if path.with_suffix(".py").is_file():
            return path.with_suffix(".py")
        if length > 1 and (path / "__init__.py").is_file() and length == len(parts):
            return path / "__init__.py"
    return None


def room_of(path: Path, top: str, root: Path = ROOT) -> str:
    """'data/folder' for training/data/folder/walk.py; 'order' for training/order.py."""
    inside = path.relative_to(root / top)
    return str(inside.parent) if len(inside.parts) > 1 else inside.stem


def file_graph(top: str, root: Path = ROOT) -> dict[Path, set[Path]]:
    """Each file of a room with the files of that room that it imports, what is inside functions and TYPE_CHECKING included."""
    graph = {}
    for path in sorted((root / top).rglob("*.py")):
        targets = {module_of(name, root) for name in imports(path, root)} - {None, path}
        graph[path] = {target for target in targets if target.is_relative_to(root / top) and target.name != "__init__.py"}
    return graph


def room_graph(top: str, root: Path = ROOT) -> dict[str, set[str]]:
    graph: dict[str, set[str]] = {}
    for path, targets in file_graph(top, root).items():
        own = graph.setdefault(room_of(path, top, root), set())
        own |= {room_of(target, top, root) for target in targets} - {room_of(path, top, root)}
    return graph


def circle(graph: dict) -> list | None:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [str(node) for node in error.args[1]]
    return None
