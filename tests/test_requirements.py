"""Installing the pack is harmless: it changes no package that ComfyUI brought, in today's environment or an older one."""

import json
import subprocess
import sys
import venv
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pack.training.data.formats.plugins import PLUGINS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
NEVER_OURS = {"torch", "torchvision", "torchaudio", "torchsde", "numpy", "transformers", "safetensors", "tokenizers"}

# What a ComfyUI 0.3.75 installed in November 2025 has. transformers 4 refuses huggingface-hub 1 and newer, so a pack
# that pulls that in breaks every text encoder: newest diffusers does, which is why it is not a requirement.
NOVEMBER_2025 = {
    "torch": "2.9.1", "torchvision": "0.24.1", "torchsde": "0.2.6", "numpy": "2.2.6", "transformers": "4.57.3",
    "tokenizers": "0.22.1", "huggingface-hub": "0.36.0", "safetensors": "0.7.0", "pillow": "12.0.0",
    "scipy": "1.16.3", "tqdm": "4.67.1", "pyyaml": "6.0.3", "aiohttp": "3.13.2", "einops": "0.8.1",
    "psutil": "7.1.3", "requests": "2.32.5", "regex": "2025.11.3", "filelock": "3.20.0", "packaging": "25.0",
    "pydantic": "2.12.4", "typing-extensions": "4.15.0", "sqlalchemy": "2.0.44", "alembic": "1.17.2", "av": "16.0.1",
    "kornia": "0.8.2", "spandrel": "0.4.1", "sentencepiece": "0.2.1", "fsspec": "2025.10.0", "idna": "3.11",
    "markupsafe": "3.0.3", "mako": "1.3.10", "setuptools": "80.9.0", "networkx": "3.5", "sympy": "1.14.0",
}  # fmt: skip


def requirements(path: Path) -> list[Requirement]:
    lines = (line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line]


def installed_with_dependencies(names: set[str]) -> dict[str, str]:
    """The installed packages among `names` and all that they need: version by canonical name."""
    found: dict[str, str] = {}
    waiting = {canonicalize_name(name) for name in names}
    while waiting:
        name = waiting.pop()
        try:
            needs, version = metadata.requires(name) or [], metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        found[name] = version
        for need in map(Requirement, needs):
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                waiting |= {canonicalize_name(need.name)} - set(found)
    return found


def pretend_environment(folder: Path, packages: dict[str, str]) -> Path:
    """An environment in which pip believes `packages` to be installed (only their metadata is); returns its python."""
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    query = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(subprocess.run([python, "-c", query], capture_output=True, text=True, check=True).stdout.strip())
    for name, version in packages.items():
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "INSTALLER").write_text("pip\n")
        (info / "RECORD").write_text("")
    return python


def changes(python: Path, path: Path) -> dict[str, str]:
    """What pip would install for a requirements file into an environment: version by canonical name."""
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--dry-run", "--quiet"]
    answer = subprocess.run([*command, "--report", "-", "-r", str(path)], capture_output=True, text=True, timeout=300)
    assert answer.returncode == 0, answer.stderr
    entries = json.loads(answer.stdout)["install"]
    return {canonicalize_name(item["metadata"]["name"]): item["metadata"]["version"] for item in entries}


def comfyui_packages(comfyui_path: Path) -> dict[str, str]:
    return installed_with_dependencies({need.name for need in requirements(comfyui_path / "requirements.txt")})


@pytest.mark.parametrize("age", ["today", "november 2025"])
def test_nothing_of_comfyui_changes(comfyui_path, tmp_path, age):
    theirs = comfyui_packages(comfyui_path) if age == "today" else NOVEMBER_2025
    assert {"torch", "numpy", "transformers", "safetensors", "aiohttp"} <= set(theirs)
    new = changes(pretend_environment(tmp_path / "venv", theirs), ROOT / "requirements.txt")
    assert new, "the pack's requirements are not in the pretended environment, so pip must want to install them"
    assert {name: (theirs[name], version) for name, version in new.items() if name in theirs} == {}


def test_plugins_that_a_message_tells_to_install_change_nothing_either(comfyui_path, tmp_path):
    path = tmp_path / "requirements.txt"
    path.write_text("\n".join(plugin.package for plugin in PLUGINS))
    for age, theirs in (("today", comfyui_packages(comfyui_path)), ("2025", NOVEMBER_2025)):
        new = changes(pretend_environment(tmp_path / age, theirs), path)
        assert {plugin.package for plugin in PLUGINS} <= set(new)
        assert not set(new) & set(theirs)


def test_the_check_sees_a_change(tmp_path):
    """A requirement that an environment does not meet shows up as a change."""
    path = tmp_path / "requirements.txt"
    path.write_text("packaging>=25\n")
    python = pretend_environment(tmp_path / "venv", {"packaging": "24.0"})
    assert "packaging" in changes(python, path)


def test_what_comfyui_brings_is_not_listed():
    assert not {canonicalize_name(need.name) for need in requirements(ROOT / "requirements.txt")} & NEVER_OURS


@pytest.mark.parametrize("need", requirements(ROOT / "requirements.txt"), ids=str)
def test_no_upper_bounds(need):
    """Upper bounds and pins are what breaks other packs."""
    assert {clause.operator for clause in need.specifier} <= {">=", "!="}


def test_pyproject_lists_the_same():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = sorted(map(str, map(Requirement, project["dependencies"])))
    assert listed == sorted(map(str, requirements(ROOT / "requirements.txt")))
