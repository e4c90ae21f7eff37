"""A real ComfyUI server with the pack in it, and a client."""

from collections.abc import Callable, Iterator

import pytest

from pack.demo.comfyui.client import ComfyClient
from pack.demo.comfyui.server import ComfyServer
from pack.demo.tiny import checkpoints


@pytest.fixture(scope="session")
def comfy_server(comfyui_path, repo_root, tmp_path_factory) -> Iterator[ComfyServer]:
    """The server, started once for all tests here and ended for sure: `address`, `base` (its folders), `log_tail()`."""
    with ComfyServer(comfyui_path, tmp_path_factory.mktemp("server"), repo_root) as server:
        yield server


@pytest.fixture
def client(comfy_server) -> Iterator[ComfyClient]:
    """A client of its own for each test: queue, wait, history, interrupt, events; leaves no prompt running."""
    with ComfyClient(comfy_server.address) as connected:
        yield connected
        connected.post("/queue", {"clear": True})
        connected.interrupt()


@pytest.fixture(scope="session")
def server_checkpoint(comfy_server, cache_folder) -> Callable[[str], str]:
    """`server_checkpoint(kind)` gives the file name, in the server's models/checkpoints, of a tiny checkpoint."""

    def link(kind: str) -> str:
        path = checkpoints.make(kind, cache_folder / "checkpoints")
        target = comfy_server.base / "models" / "checkpoints" / path.name
        if not target.exists():
            target.symlink_to(path)
        return path.name

    return link
