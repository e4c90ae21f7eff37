"""Takes a picture of every workflow, in a real ComfyUI and Chromium, for the template browser, and README's: `make pictures`.

That for SD1.5 is run on the world first, so its picture shows pictures.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from ..comfyui.browser import SETTINGS, launch, wait_until_ready
from ..comfyui.server import ComfyServer
from ..stage import ROOT, WORKFLOW
from .make_demo_pictures import WINDOW, run_demo, save

BARE = SETTINGS | {
    "Comfy.Graph.CanvasInfo": False, "Comfy.Graph.CanvasMenu": False, "Comfy.Minimap.Visible": False,
    "LiteGraph.Canvas.MinFontSizeForLOD": 0,
}
WIDTH = 1000
README = ROOT / "docs" / "img" / "workflow.jpg"
README_WIDTH = 1600

#: All nodes in view; what they cover of the window: x, y, width, height.
FIT = """() => {
    const nodes = app.graph._nodes, corner = (at) => nodes.map((node) => node.pos[at]);
    const [x, y] = [Math.min(...corner(0)) - 30, Math.min(...corner(1)) - 110];
    const width = Math.max(...nodes.map((node) => node.pos[0] + node.size[0])) + 30 - x;
    const height = Math.max(...nodes.map((node) => node.pos[1] + node.size[1])) + 30 - y;
    const scale = Math.min(innerWidth / width, innerHeight / height, 1);
    app.canvas.ds.scale = scale;
    app.canvas.ds.offset = [-x, -y];
    app.canvas.setDirty(true, true);
    return { x: 0, y: 0, width: width * scale, height: height * scale };
}"""


def main(*names: str) -> None:
    """Of the workflows named (without .json), or of all."""
    comfyui = Path(os.environ.get("COMFYUI_PATH") or ROOT / ".comfyui").resolve()
    paths = [path for path in sorted((ROOT / "workflows").glob("*.json")) if not names or path.stem in names]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        base = Path(folder)
        (base / "user" / "default").mkdir(parents=True)
        (base / "user" / "default" / "comfy.settings.json").write_text(json.dumps(BARE))
        browser = launch(playwright)
        with ComfyServer(comfyui, base, ROOT) as server:
            for path in paths:
                page = _page(browser, server.address)
                if path == WORKFLOW:
                    run_demo(page, server)
                    page.evaluate("app.extensionManager.command.execute('Workspace.ToggleSidebarTab.lora-canvas')")
                else:
                    page.evaluate("workflow => app.loadGraphData(workflow)", json.loads(path.read_text(encoding="utf-8")))
                picture = take(page)
                save(picture, path.with_suffix(".jpg"), WIDTH)
                if path == WORKFLOW:
                    save(picture, README, README_WIDTH)
        browser.close()


def take(page: Page) -> bytes:
    """The whole open workflow, as a PNG; closes the page."""
    page.keyboard.press("Escape")
    page.evaluate("app.extensionManager.command.execute('Workspace.ToggleFocusMode')")
    page.wait_for_timeout(1500)
    covered = page.evaluate(FIT)
    page.wait_for_timeout(1000)
    picture = page.screenshot(clip=covered)
    page.close()
    return picture


def _page(browser: Browser, address: str) -> Page:
    page = browser.new_page(viewport=WINDOW)
    page.goto(f"http://{address}/")
    wait_until_ready(page)
    return page


if __name__ == "__main__":
    main(*sys.argv[1:])
