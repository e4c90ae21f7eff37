"""The demo's rooms say what is in them: the docstring of every folder names each of its files, and none is crowded."""

import ast
from pathlib import Path

import pytest

DEMO = Path(__file__).resolve().parents[2] / "demo"
ROOMS = sorted(path.parent for path in DEMO.rglob("__init__.py") if "output" not in path.relative_to(DEMO).parts)
MOST = 18


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.relative_to(DEMO.parent).as_posix())
def test_a_room_names_its_files(room):
    files = {path.stem for path in room.glob("*.py")} - {"__init__"}
    inner = {f"{path.name}/" for path in ROOMS if path.parent == room}
    text = ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8")), clean=False)
    listed = [line.split()[0] for line in text.splitlines() if line.startswith("    ")]
    assert sorted(listed) == sorted(files | inner)
    assert len(files) < MOST
