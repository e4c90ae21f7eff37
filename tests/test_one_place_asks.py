"""host/compat.py is the only place that asks which ComfyUI runs: by version, by feature, or by trying an import.

What is asked of an object (does this layer cast its weight, has this VAE a time axis) is its family's affair, and not looked at.
"""

import ast
from pathlib import Path

import pytest

from pack.tests.test_boundary import COMFYUI as MODULES
from pack.tests.test_boundary import FILES, ROOT

COMFYUI = {*MODULES, "comfy_kitchen", "comfy_aimdo"}  # and what is ComfyUI's own among the packages that it needs
THE_PLACE = ROOT / "host" / "compat.py"
VERSIONS = {"comfyui_version", "__version__", "version_info"}
ASKING = {"hasattr", "getattr", "signature", "find_spec"}


def questions(source: str) -> list[str]:
    """Every expression of a file that asks something of ComfyUI itself, as written."""
    tree = ast.parse(source)
    theirs = _comfyui_s_names(tree)
    found: list[ast.AST] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _last(node.func) in ASKING and node.args:
            if _first(node.args[0]) in theirs or _names_a_module(node.args[0]):
                found.append(node)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found += [node for alias in node.names if alias.name in VERSIONS or getattr(node, "module", "") in VERSIONS]
        elif isinstance(node, ast.Attribute) and node.attr in VERSIONS and _first(node) in theirs:
            found.append(node)
        elif isinstance(node, ast.Try) and any(_catches_a_missing_name(handler) for handler in node.handlers):
            found += [line for line in node.body if _uses(line, theirs)]
    return [ast.unparse(node).splitlines()[0] for node in found]


def _comfyui_s_names(tree: ast.AST) -> set[str]:
    """What the file calls ComfyUI's modules and what it imports from them."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname or alias.name.split(".")[0] for alias in node.names if alias.name.split(".")[0] in COMFYUI}
        elif isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").split(".")[0] in COMFYUI:
            names |= {alias.asname or alias.name for alias in node.names}
    return names


def _catches_a_missing_name(handler: ast.ExceptHandler) -> bool:
    caught = {_last(node) for node in ast.walk(handler.type)} if handler.type else set()
    return bool(caught & {"ImportError", "ModuleNotFoundError", "AttributeError"})


def _uses(line: ast.AST, names: set[str]) -> bool:
    imported = _comfyui_s_names(line)
    return any(bool(imported) or _names_a_module(node) or isinstance(node, ast.Name) and node.id in names for node in ast.walk(line))


def _names_a_module(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and str(node.value).split(".")[0] in COMFYUI


def _first(node: ast.AST) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _last(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


@pytest.mark.parametrize("path", [path for path in FILES if path != THE_PLACE], ids=lambda path: str(path.relative_to(ROOT)))
def test_nobody_else_asks(path: Path):
    assert questions(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "asks"),
    [
        ("import comfy.ops\nhasattr(comfy.ops, 'mixed')", True),
        ("import comfy.model_management as mm\nmm.x if getattr(mm, 'x', None) else 0", True),
        ("from comfy.ldm.modules import attention\ngetattr(attention, 'sage', None)", True),
        ("from comfyui_version import __version__", True),
        ("import comfyui_version\ncomfyui_version.__version__ > '1'", True),
        ("try:\n    import comfy.quant_ops\nexcept ImportError:\n    pass", True),
        ("import comfy.ops\ntry:\n    f = comfy.ops.new\nexcept AttributeError:\n    f = None", True),
        ("import importlib.util\nimportlib.util.find_spec('comfy.quant_ops')", True),
        ("from importlib import import_module\ntry:\n    k = import_module('comfy_kitchen')\nexcept ImportError:\n    k = None", True),
        ("from importlib import import_module\nimport_module('comfy_extras.nodes_flux')", False),
        ("import inspect\nimport comfy.sd\ninspect.signature(comfy.sd.load_lora)", True),
        ("import comfy.ops\nhasattr(layer, 'comfy_cast_weights')", False),
        ("import torch\ngetattr(torch, 'float8_e4m3fn', None)", False),
        ("import comfy.utils\ntry:\n    comfy.utils.load()\nexcept OSError:\n    pass", False),
    ],
)
def test_the_guard_itself(source, asks):
    assert bool(questions(source)) == asks
