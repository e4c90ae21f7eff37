"""Imports point one way: training <- host <- nodes <- __init__, and only host/ knows ComfyUI. headless.py, which starts ComfyUI, may
import nothing but Python's own library, and takes the pack's folder off the path before that: it holds a `nodes` of its own."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("training", "host", "nodes")
# Top-level modules of ComfyUI that a pack could reach.
COMFYUI = {
    "comfy", "comfy_api", "comfy_extras", "comfy_execution", "comfy_config", "comfy_api_nodes", "comfyui_version",
    "folder_paths", "server", "execution", "nodes", "node_helpers", "latent_preview", "protocol", "app", "api_server",
    "utils", "main", "cuda_malloc", "alembic_db", "middleware",
}  # fmt: skip
NODE_API = {"comfy_api.latest.io", "comfy_api.latest.ui", "comfy_api.latest.ComfyExtension"}
MAY_IMPORT = {"training": {"training"}, "host": {"training", "host"}, "nodes": {"training", "host", "nodes"}}


def room_of(path: Path) -> str:
    """The first folder of a file under the root; `__init__` for the root's own door."""
    parts = path.relative_to(ROOT).parts
    return parts[0] if len(parts) > 1 else parts[0].removesuffix(".py")


def imports(path: Path, root: Path = ROOT) -> list[str]:
    """Every name a file imports, absolute ones as written, relative ones as `pack.…` (what is inside functions too)."""
    package = ["pack", *path.relative_to(root).parts[:-1]]
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            prefix = ".".join(base + ([node.module] if node.module else []))
            found += [f"{prefix}.{alias.name}" for alias in node.names]
    return found


def violations(path: Path, room: str, root: Path = ROOT) -> list[str]:
    """What a file imports against the rules."""
    wrong = []
    for name in imports(path, root):
        top, *rest = name.split(".")
        if top == "pack":
            if rest and rest[0] in ROOMS and room in MAY_IMPORT and rest[0] not in MAY_IMPORT[room]:
                wrong.append(name)
        elif top in COMFYUI and room != "host" and not (room in ("nodes", "__init__") and name in NODE_API):
            wrong.append(name)
    return wrong


FILES = sorted([ROOT / "__init__.py", *(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))])


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path):
    assert violations(path, room_of(path)) == []


STARTER = ROOT / "headless.py"
ON_TOP = {"os", "sys"}  # loaded before any script begins, whatever is on the path


def hidden_imports(source: str) -> list[str]:
    """The imports of a script that come before it has set sys.path, or are not of Python's own library."""
    wrong, is_set = [], False
    for statement in ast.parse(source).body:
        for node in ast.walk(statement):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += ["." * node.level + (node.module or "")] if isinstance(node, ast.ImportFrom) else []
            wrong += [name for name in names if name.split(".")[0] not in (sys.stdlib_module_names if is_set else ON_TOP)]
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        is_set = is_set or any(ast.unparse(target) == "sys.path[:]" for target in targets)
    return wrong


def test_what_starts_comfyui_imports_nothing_that_its_own_folder_could_hide():
    assert hidden_imports(STARTER.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "wrong"),
    [("import sys\nsys.path[:] = []\nimport json", []),
     ("import json\nimport sys\nsys.path[:] = []", ["json"]),
     ("import sys\nsys.path[:] = []\ndef f():\n    import nodes", ["nodes"]),
     ("import sys\nsys.path[:] = []\nfrom .host import x", [".host"])],
)
def test_the_guard_of_the_starter(source, wrong):
    assert hidden_imports(source) == wrong


@pytest.mark.parametrize(
    ("room", "line", "allowed"),
    [
        ("training", "from ..host import model", False),
        ("training", "import comfy.utils", False),
        ("training", "from .data import buckets", True),
        ("host", "import comfy.sd", True),
        ("host", "from ..nodes.train import TrainLoRA", False),
        ("nodes", "from comfy_api.latest import io, ui", True),
        ("nodes", "def f():\n    import folder_paths", False),
        ("nodes", "from ..host import paths", True),
    ],
)
def test_the_guard_itself(tmp_path, room, line, allowed):
    """The guard sees what it should: one good and one bad line for every rule."""
    path = tmp_path / room / "module.py"
    path.parent.mkdir()
    path.write_text(line)
    assert (violations(path, room, tmp_path) == []) == allowed


def test_comfyui_names_are_not_ours_by_accident():
    """A name in COMFYUI that Python's own library has would forbid an innocent import."""
    assert not COMFYUI & set(sys.stdlib_module_names)
