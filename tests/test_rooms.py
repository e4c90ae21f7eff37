"""The rooms: who may import whom, how much lies in one, and that each says what is in it.

A room is a folder; a file that lies in training/ or host/ itself is a room of its own (the ground that every room stands
on, or the roof over several).
"""

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from pack.tests.test_boundary import imports

ROOT = Path(__file__).resolve().parents[1]
MOST_FILES = 18

#: From the ground up: a room imports only what stands before it. A room and those inside it stand in one line.
TRAINING = (
    "errors version wording inputs registry seeds devices ops settings specs events protocols parts expressions patterns "
    "rules families",
    "files",
    "processes",
    "data data/formats data/clips data/from_graph data/folder data/advice data/editing",
    "captioning",
    "network/kinds network",
    "objective",
    "optim",
    "memory",
    "memory/cost",
    "graph",
    "recipe order",
    "drawing",
    "lora_file",
    "presets",
    "record",
    "run/rehearsal run/resume run/room run",
)
#: Rooms of one line where one of the two may not know the other: (importer, imported).
NEVER = {("data", "data/clips"), ("data", "data/from_graph"), ("data", "data/folder"), ("data", "data/advice"), ("data", "data/editing"),
         ("network/kinds", "network"), ("run/resume", "run"), ("run/rehearsal", "run"), ("run/rehearsal", "run/resume"),
         ("run/resume", "run/rehearsal")}
TOPS = ("training", "host", "demo")
FOLDERS = sorted({path.parent for top in TOPS for path in (ROOT / top).rglob("*.py")})


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


def backward(graph: dict[str, set[str]], order: tuple[str, ...] = TRAINING) -> list[str]:
    """The arrows between rooms that point up, or the wrong way inside a line, and rooms that have no line."""
    level = {room: number for number, line in enumerate(order) for room in line.split()}
    found = [f"{room} has no line in the order" for room in graph if room not in level and room != "__init__"]
    arrows = [(room, target) for room in graph for target in sorted(graph[room]) if room in level and target in level]
    return found + [f"{room} -> {target}" for room, target in arrows if level[target] > level[room] or (room, target) in NEVER]


def is_crowded(folder: Path) -> bool:
    return len(list(folder.glob("*.py"))) > MOST_FILES


def inside(folder: Path) -> set[str]:
    """The modules and sub-folders of a folder by name."""
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    return modules | {path.parent.name for path in folder.glob("*/__init__.py")}


def named(folder: Path) -> set[str]:
    """What the folder's docstring names: the first word of every line indented by four."""
    text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")), clean=False) or ""
    return set(re.findall(r"^    (\w+)/?  ", text, flags=re.M))


def misnamed(folder: Path) -> dict[str, set[str]]:
    """What a folder's docstring leaves out, and what it names that is not there."""
    wrong = {"left out": inside(folder) - named(folder), "not there": named(folder) - inside(folder)}
    return {kind: names for kind, names in wrong.items() if names}


@pytest.mark.parametrize("top", ["training", "host"])
def test_no_circles(top):
    assert circle(file_graph(top)) is None
    assert circle(room_graph(top)) is None


def test_rooms_of_the_engine_know_only_those_before_them():
    assert backward(room_graph("training")) == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_a_room_is_small_and_says_what_is_in_it(folder):
    assert not is_crowded(folder)
    assert misnamed(folder) == {}


# --- the guards themselves ---


def tree(root: Path, files: dict[str, str]) -> Path:
    """A throw-away tree of modules: {"training/data/a": "from .b import x"}."""
    for name, text in files.items():
        path = root / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def test_the_guard_sees_circles_of_files(tmp_path):
    good = tree(tmp_path / "good", {"training/data/a": "from .b import x", "training/data/b": "import torch"})
    bad = tree(tmp_path / "bad", {"training/data/a": "from .b import x", "training/data/b": "def f():\n    from . import a"})
    assert circle(file_graph("training", good)) is None
    assert set(circle(file_graph("training", bad))) == {str(bad / "training" / "data" / name) for name in ("a.py", "b.py")}


def test_the_guard_sees_circles_of_rooms(tmp_path):
    """Through different files: no file is in a circle here."""
    files = {"training/data/a": "from ..optim.c import x", "training/data/b": "", "training/optim/c": ""}
    good = tree(tmp_path / "good", files)
    bad = tree(tmp_path / "bad", {**files, "training/optim/d": "from ..data.b import x"})
    assert circle(room_graph("training", good)) is None
    assert circle(file_graph("training", bad)) is None and set(circle(room_graph("training", bad))) == {"data", "optim"}


@pytest.mark.parametrize(
    ("file", "line", "found"),
    [
        ("optim/a", "from ..data.x import y", []), ("data/a", "from ..optim.x import y", ["data -> optim"]),
        ("data/advice/a", "from ..x import y", []), ("data/a", "from .advice.x import y", ["data -> data/advice"]),
        ("network/a", "from .kinds.x import y", []), ("network/kinds/a", "from ..x import y", ["network/kinds -> network"]),
        ("run/a", "from ..events import y", []), ("events", "from .run.x import y", ["events -> run"]),
        ("data/b", "from .x import y", []), ("attic/a", "", ["attic has no line in the order"]),
    ],
)
def test_the_guard_sees_arrows_that_point_back(tmp_path, file, line, found):
    rooms = ("data", "data/advice", "network", "network/kinds", "optim", "run")
    root = tree(tmp_path, {"training/events": "", **{f"training/{room}/x": "" for room in rooms}, f"training/{file}": line})
    assert backward(room_graph("training", root)) == found


def test_the_guard_sees_what_a_docstring_leaves_out_and_invents(tmp_path):
    files = {"one": "", "inner/__init__": ""}
    good = tree(tmp_path / "good", {**files, "__init__": '"""A room.\n\n    one    first\n    inner  second\n"""\n'})
    bad = tree(tmp_path / "bad", {**files, "__init__": '"""A room.\n\n    inner  second, beside one\n    gone   third\n"""\n'})
    assert misnamed(good) == {}
    assert misnamed(bad) == {"left out": {"one"}, "not there": {"gone"}}
    assert misnamed(tree(tmp_path / "silent", {**files, "__init__": ""})) == {"left out": {"one", "inner"}}


@pytest.mark.parametrize(("count", "crowded"), [(MOST_FILES, False), (MOST_FILES + 1, True)])
def test_the_guard_counts_files(tmp_path, count, crowded):
    assert is_crowded(tree(tmp_path, {f"f{number}": "" for number in range(count)})) == crowded
