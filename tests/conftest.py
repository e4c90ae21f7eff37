"""What every test relies on: the pack importable as `pack`, nothing fetched, few threads.

Tests say `from pack.training.x import y`. `pack` is an empty module whose `__path__` is the repository's root, so
relative imports inside the pack resolve and its `__init__.py` (ComfyUI's door, which needs ComfyUI) is not run.
The root itself must never be on `sys.path`: its `nodes/` would shadow ComfyUI's `nodes.py`.
"""

import os
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]

# Set before torch, transformers or ComfyUI are imported by anyone.
os.environ.update(
    HF_HUB_OFFLINE="1",
    TRANSFORMERS_OFFLINE="1",
    HF_DATASETS_OFFLINE="1",
    DO_NOT_TRACK="1",
    COMFY_CLI_NO_REMOTE_REFRESH="1",
)
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def _is_root(entry: str) -> bool:
    return Path(entry or os.getcwd()).resolve() == ROOT


# `python -m pytest` puts the current folder there.
sys.path[:] = [entry for entry in sys.path if not _is_root(entry)]

if "pack" not in sys.modules:
    _pack = ModuleType("pack")
    _pack.__path__ = [str(ROOT)]
    sys.modules["pack"] = _pack

import pytest  # noqa: E402
import torch  # noqa: E402

torch.set_num_threads(min(torch.get_num_threads(), 2))


@pytest.fixture(scope="session")
def repo_root() -> Path:
    """The repository's root folder."""
    return ROOT


@pytest.fixture(scope="session")
def comfyui_path() -> Path:
    """The folder of the ComfyUI to test in: $COMFYUI_PATH, or `.comfyui` in the repository's root."""
    path = Path(os.environ.get("COMFYUI_PATH") or ROOT / ".comfyui").resolve()
    if not (path / "main.py").is_file():
        pytest.exit(f"no ComfyUI in {path}: run `make setup`, or set COMFYUI_PATH to an existing one", returncode=4)
    return path


@pytest.fixture(scope="session")
def cache_folder() -> Path:
    """Where what is slow to make (the tiny checkpoints) is kept between test runs."""
    folder = ROOT / ".cache"
    folder.mkdir(exist_ok=True)
    return folder
