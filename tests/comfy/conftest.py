"""ComfyUI in this process, and tiny checkpoints in its model folder."""

import ctypes
import gc
import importlib
import sys
from collections.abc import Callable

import psutil
import pytest

from pack.demo.tiny import checkpoints
from pack.tests.comfy.inprocess import Comfy, start
from pack.tests.comfy.short_text import honour_short_text

CROWDED = 8 << 30  # bytes


def pytest_collection_modifyitems(items) -> None:
    """The FLUX of the tests has its full width: 2 GB, and what is trained on it."""
    for item in items:
        if any("flux" in name for name in getattr(item, "fixturenames", ())):
            item.add_marker("large")


@pytest.fixture(scope="session")
def comfy(comfyui_path, repo_root, tmp_path_factory) -> Comfy:
    """The running ComfyUI: `comfy.run(prompt)`, `comfy.module("comfy.sd")`, `comfy.base`, … (see inprocess.py)."""
    running = start(comfyui_path, tmp_path_factory.mktemp("comfyui"), repo_root)
    honour_short_text(importlib.import_module("comfy.sd"))
    return running


@pytest.fixture(scope="session")
def run_prompt(comfy) -> Callable:
    """`run_prompt(prompt, executor=None, on_event=None) -> PromptResult`; raises PromptRefused, NodeFailed, PromptInterrupted."""
    return comfy.run


@pytest.fixture(scope="session")
def checkpoint(comfy, cache_folder) -> Callable[[str], str]:
    """`checkpoint(kind)` gives the file name, in models/checkpoints, of a tiny checkpoint (kinds: demo/tiny/checkpoints.py)."""

    def link(kind: str) -> str:
        path = checkpoints.make(kind, cache_folder / "checkpoints")
        target = comfy.base / "models" / "checkpoints" / path.name
        if not target.exists():
            target.symlink_to(path)
        return path.name

    return link


@pytest.fixture(scope="session")
def sd15_checkpoint(checkpoint) -> str:
    """SD1.5 with one level (13.6M in the UNet), the whole CLIP-L and a VAE; 293 MB."""
    return checkpoint("sd15")


@pytest.fixture(scope="session")
def sdxl_checkpoint(checkpoint) -> str:
    """SDXL (its own depth list, narrow) with three-layer CLIP-L and CLIP-G, which only `comfy` can load."""
    return checkpoint("sdxl-short")


@pytest.fixture(scope="session")
def flux_checkpoint(checkpoint) -> str:
    """FLUX dev, one block of each kind, with a three-layer CLIP-L and a two-layer T5 of width 64; only `comfy` loads it."""
    return checkpoint("flux-dev")


@pytest.fixture(scope="session")
def flux_schnell_checkpoint(checkpoint) -> str:
    """FLUX schnell, one double block, with the same text encoders."""
    return checkpoint("flux-schnell")


@pytest.fixture(scope="module", autouse=True)
def _models_do_not_pile_up():
    """ComfyUI keeps what it loaded; a module's models are of no use to the next one."""
    yield
    _free()


@pytest.fixture(autouse=True)
def _large_models_do_not_pile_up():
    """The FLUX of the tests is 2 GB: a few tests of one module would need more than a small machine has."""
    yield
    if psutil.Process().memory_info().rss > CROWDED:
        _free()


def _free() -> None:
    if "comfy.model_management" in sys.modules:
        sys.modules["comfy.model_management"].unload_all_models()
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)  # glibc keeps what was freed, gigabytes of it over the whole suite


@pytest.fixture(autouse=True)
def _cancel_does_not_linger(request):
    """A test that pressed Cancel and never ran a prompt must not cancel the next test's."""
    yield
    if "comfy" in request.fixturenames:
        request.getfixturevalue("comfy").nodes.interrupt_processing(False)
