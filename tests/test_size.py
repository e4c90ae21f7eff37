"""Files and functions stay small enough to be read in one go."""

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILE_LINES, TEST_FILE_LINES, FUNCTION_LINES = 300, 500, 60
# A node's schema is a list of widgets with their help texts: long, but flat.
MAY_BE_LONG = {"define_schema"}


def tracked_sources() -> list[Path]:
    """Python, JavaScript and style files that git knows or would add; vendored ones are not ours."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py", "*.js", "*.mjs", "*.css"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    return sorted(ROOT / name for name in names if name and "vendor" not in Path(name).parts and (ROOT / name).exists())


def long_functions(source: str) -> list[str]:
    """Functions of more than FUNCTION_LINES lines, decorators not counted."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name not in MAY_BE_LONG:
            lines = node.end_lineno - node.lineno + 1
            if lines > FUNCTION_LINES:
                found.append(f"{node.name}: {lines} lines")
    return found


SOURCES = tracked_sources()


def test_sources_were_found():
    names = {str(path.relative_to(ROOT)) for path in SOURCES}
    assert {"tests/test_size.py", "demo/run.py", "web/store.mjs", "web/styles/run.css"} <= names


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_small(path):
    source = path.read_text(encoding="utf-8")
    limit = TEST_FILE_LINES if "tests" in path.relative_to(ROOT).parts else FILE_LINES
    assert source.count("\n") <= limit
    if path.suffix == ".py":
        assert long_functions(source) == []


def test_the_guard_itself():
    body = "\n    x = 1" * FUNCTION_LINES
    assert long_functions(f"def f():{body}") == ["f: 61 lines"]
    assert long_functions(f"def define_schema():{body}") == []
