"""What ComfyUI's own files import when they are loaded, and which of it an environment lacks.

A requirements file forgets what another package used to bring: transformers 4 brought requests, transformers 5 does not. So the files
themselves are asked. Standard library only, since it runs while setting up.
"""

import ast
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

#: What a started ComfyUI never loads.
APART = {"custom_nodes", "input", "models", "output", "script_examples", "temp", "tests", "tests-unit", "user"}
#: Distributions that are not called as their module.
DISTRIBUTIONS = {
    "cv2": "opencv-python-headless", "git": "GitPython", "OpenGL": "PyOpenGL", "PIL": "Pillow", "skimage": "scikit-image",
    "sklearn": "scikit-learn", "yaml": "PyYAML",
}
CATCHES_ABSENCE = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}


def distribution(module: str) -> str:
    """What pip calls a module."""
    return DISTRIBUTIONS.get(module, module.replace("_", "-"))


def missing(comfyui: Path) -> dict[str, str]:
    """Modules that ComfyUI imports but this interpreter does not find, each with the file (and line) that wants it."""
    return {module: place for module, place in imported(comfyui).items() if find_spec(module) is None}


def imported(comfyui: Path) -> dict[str, str]:
    """Foreign top-level modules that loading ComfyUI's files imports, each with the first place that does."""
    own, found = own_modules(comfyui), {}
    for path in sorted(comfyui.rglob("*.py")):
        inside = path.relative_to(comfyui)
        if inside.parts[0] in APART or inside.parts[0].startswith("."):
            continue
        for name, line in unguarded(ast.parse(path.read_bytes()).body):
            top = name.split(".")[0]
            if top not in own and top not in sys.stdlib_module_names:
                found.setdefault(top, f"{inside.as_posix()}:{line}")
    return found


def own_modules(comfyui: Path) -> set[str]:
    """Top-level modules that ComfyUI itself is made of; it puts its folder comfy/ on the path, beside its root."""
    return {path.stem for folder in (comfyui, comfyui / "comfy") if folder.is_dir() for path in folder.iterdir()}


def unguarded(statements: list[ast.stmt]) -> Iterator[tuple[str, int]]:
    """The absolute imports among statements that run at once and whose failure nobody catches: (name, line).

    What stands under an `if` is a choice (an option, a platform, TYPE_CHECKING), not a need.
    """
    for statement in statements:
        if isinstance(statement, ast.Import):
            yield from ((alias.name, statement.lineno) for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            if statement.level == 0 and statement.module:
                yield statement.module, statement.lineno
        elif isinstance(statement, ast.Try):
            if not any(map(_catches_absence, statement.handlers)):
                yield from unguarded(statement.body)
            yield from unguarded([*statement.orelse, *statement.finalbody])
        elif isinstance(statement, (ast.With, ast.For, ast.While, ast.ClassDef)):
            yield from unguarded(statement.body)


def _catches_absence(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    return any(ast.unparse(kind) in CATCHES_ABSENCE for kind in getattr(handler.type, "elts", [handler.type]))

