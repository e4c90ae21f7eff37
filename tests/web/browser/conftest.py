"""A real browser on a real ComfyUI with the fake trainer: in the frontend that ComfyUI brings with its classic nodes, and in the newest one
with Vue nodes; with BROWSER_PAIRS=all (`make test-browser-all`) each frontend with both."""

import json
import os
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from pack.demo.comfyui.browser import SETTINGS, launch, wait_until_ready
from pack.demo.comfyui.server import ComfyServer

FAKE_PACK = Path(__file__).parents[1] / "fake_pack"
#: (frontend, are nodes drawn by Vue): the oldest and the newest that people have.
PAIRS = [("bundled", False), ("newest", True)]
if os.environ.get("BROWSER_PAIRS") == "all":
    PAIRS += [("bundled", True), ("newest", False)]


def name_of(pair: tuple[str, bool]) -> str:
    return f"{pair[0]}-{'vue' if pair[1] else 'classic'}"


each_pair = pytest.mark.parametrize("pair", PAIRS, ids=name_of)


def newest_frontend(cache: Path) -> Path:
    """The newest comfyui-frontend-package of the package index, unpacked; $COMFYUI_FRONTEND names one that is there already."""
    if os.environ.get("COMFYUI_FRONTEND"):
        return Path(os.environ["COMFYUI_FRONTEND"])
    folder = cache / "frontend"
    if not (folder / "static" / "index.html").is_file():
        wheels = folder / "wheel"
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(wheels), "comfyui-frontend-package"]
        subprocess.run(command, check=True, timeout=600)
        [wheel] = wheels.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            inside = [name for name in archive.namelist() if name.startswith("comfyui_frontend_package/static/")]
            archive.extractall(folder / "unpacked", inside)
        (folder / "unpacked" / "comfyui_frontend_package" / "static").rename(folder / "static")
    return folder / "static"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        try:
            running = launch(playwright)
        except FileNotFoundError as error:
            pytest.fail(str(error), pytrace=False)  # a skip would pass in silence
        yield running
        running.close()


@pytest.fixture(scope="session")
def fake_pack(repo_root, tmp_path_factory) -> Path:
    """A pack made of the real host, training and web, and a Train LoRA that invents its numbers."""
    folder = tmp_path_factory.mktemp("fake") / "pack"
    folder.mkdir()
    for name in ("host", "training", "web"):
        (folder / name).symlink_to(repo_root / name)
    for path in FAKE_PACK.glob("*.py"):
        (folder / path.name).symlink_to(path)
    return folder


@pytest.fixture(scope="session")
def start_server(comfyui_path, fake_pack, cache_folder, tmp_path_factory) -> Callable[[str], ComfyServer]:
    """`with start_server("newest") as server:` a ComfyUI of one's own with that frontend, and the fake pack or another."""

    def make(frontend: str, pack: Path | None = None, base: Path | None = None) -> ComfyServer:
        base = base or tmp_path_factory.mktemp("panel")
        settings = base / "user" / "default" / "comfy.settings.json"
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text(json.dumps(SETTINGS))
        root = ("--front-end-root", str(newest_frontend(cache_folder))) if frontend == "newest" else ()
        return ComfyServer(comfyui_path, base, pack or fake_pack, options=("--cpu", *root))

    return make


@pytest.fixture(scope="session", params=PAIRS, ids=name_of)
def frontend_server(request, start_server) -> Iterator[ComfyServer]:
    """One server a pair of frontend and renderer, for all tests that leave it as it was; `pair` says which."""
    with start_server(request.param[0]) as server:
        server.pair = request.param
        yield server


@pytest.fixture(scope="session")
def screenshots(cache_folder) -> Path:
    """Where tests leave pictures for people to look at."""
    folder = cache_folder / "screenshots"
    folder.mkdir(exist_ok=True)
    return folder


class Troubles(list):
    """What our own code complained of in a page: uncaught errors, console errors, refused requests."""

    def watch(self, page: Page) -> None:
        page.on("pageerror", lambda error: self._note(str(getattr(error, "stack", error))))
        page.on("console", lambda message: message.type in ("error", "warning") and self._note(
            f"{message.text} {message.location.get('url', '')}"))
        page.on("response", lambda response: response.status >= 400 and self._note(f"{response.status} {response.url}"))

    def _note(self, text: str) -> None:
        if any(ours in text for ours in ("lora_canvas", "LoRA-Canvas", "LoRA Canvas")):
            self.append(text)


@pytest.fixture
def context(browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport={"width": 1280, "height": 720})
    made.set_default_timeout(30_000)
    yield made
    made.close()


@pytest.fixture
def open_page(context, request) -> Iterator[Callable[[str], Page]]:
    """`open_page(address)`: ComfyUI's page, ready, with an empty canvas, and the renderer of the test's pair. Fails afterwards if our code
    complained of anything but what the test takes out of `open_page.troubles`."""
    troubles = Troubles()
    names = request.fixturenames
    pair = request.getfixturevalue("pair") if "pair" in names else request.getfixturevalue("frontend_server").pair \
        if "frontend_server" in names else PAIRS[0]

    def open_(address: str, *, vue_nodes: bool = pair[1]) -> Page:
        page = context.new_page()
        troubles.watch(page)
        page.goto(f"http://{address}/")
        wait_until_ready(page)
        page.evaluate("on => app.extensionManager.setting.set('Comfy.VueNodes.Enabled', on)", vue_nodes)
        page.keyboard.press("Escape")
        page.evaluate("app.graph.clear()")
        return page

    open_.troubles = troubles
    yield open_
    assert troubles == []


@pytest.fixture(autouse=True)
def _nothing_goes_on_training(request):
    """A test that failed half-way must not leave its run to the next one."""
    yield
    if "frontend_server" in request.fixturenames:
        address = request.getfixturevalue("frontend_server").address
        post(address, "/queue", {"clear": True})
        post(address, "/interrupt", {})


def post(address: str, path: str, body: dict) -> None:
    request = urllib.request.Request(f"http://{address}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=30).close()
