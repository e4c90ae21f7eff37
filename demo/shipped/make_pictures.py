"""Takes a picture of every workflow, in a real ComfyUI and Chromium, for the template browser: `make pictures`."""

import io
import json
import os
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from ..comfyui.browser import SETTINGS, launch, wait_until_ready
from ..comfyui.server import ComfyServer

ROOT = Path(__file__).resolve().parents[2]
BARE = SETTINGS | {
    "Comfy.Graph.CanvasInfo": False, "Comfy.Graph.CanvasMenu": False, "Comfy.Minimap.Visible": False,
    "LiteGraph.Canvas.MinFontSizeForLOD": 0,
}
WIDTH = 1000

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


def main() -> None:
    comfyui = Path(os.environ.get("COMFYUI_PATH") or ROOT / ".comfyui").resolve()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        base = Path(folder)
        (base / "user" / "default").mkdir(parents=True)
        (base / "user" / "default" / "comfy.settings.json").write_text(json.dumps(BARE))
        browser = launch(playwright)
        with ComfyServer(comfyui, base, ROOT) as server:
            for path in sorted((ROOT / "workflows").glob("*.json")):
                take(_page(browser, server.address), path)
        browser.close()


def take(page: Page, path: Path) -> None:
    page.evaluate("workflow => app.loadGraphData(workflow)", json.loads(path.read_text(encoding="utf-8")))
    page.keyboard.press("Escape")
    page.evaluate("app.extensionManager.command.execute('Workspace.ToggleFocusMode')")
    page.wait_for_timeout(1500)
    covered = page.evaluate(FIT)
    page.wait_for_timeout(1000)
    picture = Image.open(io.BytesIO(page.screenshot(clip=covered))).convert("RGB")
    picture.thumbnail((WIDTH, WIDTH), Image.Resampling.LANCZOS)
    picture.save(path.with_suffix(".jpg"), "JPEG", quality=82, optimize=True)
    print(path.with_suffix(".jpg").relative_to(ROOT))
    page.close()


def _page(browser: Browser, address: str) -> Page:
    page = browser.new_page(viewport={"width": 2800, "height": 1800})
    page.goto(f"http://{address}/")
    wait_until_ready(page)
    return page


if __name__ == "__main__":
    sys.exit(main())
