"""The panel's JavaScript: its own tests under node, and what ComfyUI expects of the web folder."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "web"
OURS = sorted(path for path in WEB.rglob("*") if path.suffix in (".js", ".mjs") and "vendor" not in path.parts)


def node() -> str:
    """The machine's own node, else the one that playwright brings."""
    import playwright

    brought = Path(playwright.__file__).parent / "driver" / ("node.exe" if shutil.which("cmd") else "node")
    found = shutil.which("node") or (str(brought) if brought.is_file() else None)
    if found is None:
        pytest.fail("there is no node to run tests/web/*.test.mjs with: install node, or the playwright package")
    return found


def test_the_suite_under_node():
    tests = sorted(str(path) for path in Path(__file__).parent.glob("*.test.mjs"))
    result = subprocess.run([node(), "--test", *tests], capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]


def test_comfyui_loads_one_file_by_itself():
    assert [str(path.relative_to(WEB)) for path in WEB.rglob("*.js")] == ["lora_canvas.js"]


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_a_module_is_small_checked_and_needs_nothing_from_elsewhere(path):
    source = path.read_text(encoding="utf-8")
    assert source.startswith("// @ts-check\n")
    assert source.count("\n") <= 300
    imports = re.findall(r'(?:from|import)\s+"([^"]+)"', source)
    allowed = {"../../scripts/app.js", "../../scripts/api.js"} if path.suffix == ".js" else set()
    ours = {name for name in imports if name.startswith(".") and (path.parent / name).resolve().is_relative_to(WEB)}
    assert set(imports) - ours - allowed == set()
    assert not re.search(r"https?://", source)


def test_style_classes_carry_our_prefix():
    for path in (WEB / "styles").glob("*.css"):
        source = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.S)
        classes = set(re.findall(r"\.([a-zA-Z_][\w-]*)(?=[^{}]*\{)", source))
        foreign = {name for name in classes if not name.startswith("lora-canvas")}
        assert foreign <= {"uplot", "u-select", "u-cursor-x"}, path.name


def test_what_is_vendored_has_its_licence():
    assert "MIT License" in (WEB / "vendor" / "uPlot.LICENSE").read_text()
