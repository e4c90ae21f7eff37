"""Which imports of a file have to succeed, and which modules of a ComfyUI are foreign and missing."""

import ast
from pathlib import Path

import pytest

from pack.demo.comfyui.imports import distribution, imported, missing, unguarded


def names(source: str) -> list[str]:
    return [name for name, _ in unguarded(ast.parse(source).body)]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import a.b, c\nfrom d.e import f", ["a.b", "c", "d.e"]),
        ("from . import a\nfrom ..b import c", []),
        ("def f():\n    import a", []),
        ("class A:\n    import a", ["a"]),
        ("with b:\n    import a", ["a"]),
        ("if TYPE_CHECKING:\n    import a", []),
        ("if wanted:\n    import a\nelse:\n    import b", []),
        ("try:\n    import a\nexcept ImportError:\n    import b", []),
        ("try:\n    import a\nexcept (OSError, ModuleNotFoundError):\n    pass", []),
        ("try:\n    import a\nexcept:\n    pass", []),
        ("try:\n    import a\nexcept Exception:\n    pass\nelse:\n    import b", ["b"]),
        ("try:\n    import a\nexcept ValueError:\n    pass", ["a"]),
        ("try:\n    import a\nfinally:\n    import b", ["a", "b"]),
    ],
)
def test_what_must_succeed(source, found):
    assert names(source) == found


def comfyui(folder: Path) -> Path:
    """A small ComfyUI: own modules at the root and in comfy/, things that it never loads, and two foreign ones."""
    files = {
        "main.py": "import os\nimport server\nimport not_here_a\n",
        "server.py": "import nodes_of_mine\nimport json\n",
        "comfy/nodes_of_mine.py": "import comfy.utils\nimport not_here_a.inner\nimport pytest\n",
        "comfy/utils.py": "try:\n    import not_here_c\nexcept ImportError:\n    pass\n",
        "tests/test_all.py": "import not_here_d\n",
        "custom_nodes/one/__init__.py": "import not_here_e\n",
        ".git/hook.py": "import not_here_f\n",
    }
    for name, source in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(source)
    return folder


def test_foreign_modules_of_a_comfyui(tmp_path):
    assert imported(comfyui(tmp_path)) == {"not_here_a": "comfy/nodes_of_mine.py:2", "pytest": "comfy/nodes_of_mine.py:3"}
    assert missing(tmp_path) == {"not_here_a": "comfy/nodes_of_mine.py:2"}


def test_the_real_one_lacks_nothing_that_it_needs(comfyui_path):
    found = imported(comfyui_path)
    assert {"torch", "aiohttp", "PIL", "yaml", "requests"} <= set(found)
    assert set(missing(comfyui_path)) <= {"torchaudio"}


@pytest.mark.parametrize(
    ("module", "name"), [("PIL", "Pillow"), ("yaml", "PyYAML"), ("requests", "requests"), ("comfy_kitchen", "comfy-kitchen")]
)
def test_what_pip_calls_it(module, name):
    assert distribution(module) == name
