"""Takes README's pictures, in a real ComfyUI and Chromium, and draws the workflows' cards from them: `make pictures`.

The SD1.5 workflow is run on the world first, as `make demo` runs it, so that its pictures show a fox being learnt.
"""

import json
import os
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from ..comfyui.browser import SETTINGS, launch, wait_until_ready
from ..comfyui.server import ComfyServer
from ..stage import ROOT
from . import cards
from .make_demo_pictures import IMAGES, WINDOW, run_demo, save

BARE = SETTINGS | {
    "Comfy.Graph.CanvasInfo": False, "Comfy.Graph.CanvasMenu": False, "Comfy.Minimap.Visible": False,
    "LiteGraph.Canvas.MinFontSizeForLOD": 0,
}
WIDTH = 1600

#: All nodes in view; what they cover of the window: x, y, width, height.
FIT = """() => {
    const nodes = app.graph._nodes, corner = (at) => nodes.map((node) => node.pos[at]);
    const [x, y] = [Math.min(...corner(0)) - 30, Math.min(...corner(1)) - 60];
    const end = (at) => Math.max(...nodes.map((node) => node.pos[at] + (node.flags.collapsed ? 30 : node.size[at]))) + 30;
    const [width, height] = [Math.max(end(0), ...app.graph._groups.map((group) => group.pos[0] + group.size[0] + 30)) - x, end(1) - y];
    const scale = Math.min(innerWidth / width, innerHeight / height, 1.6);
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
            page = browser.new_page(viewport=WINDOW)
            page.goto(f"http://{server.address}/")
            wait_until_ready(page)
            run_demo(page, server)
            page.evaluate("app.extensionManager.command.execute('Workspace.ToggleSidebarTab.lora-canvas')")
            page.keyboard.press("Escape")
            page.evaluate("app.extensionManager.command.execute('Workspace.ToggleFocusMode')")
            page.wait_for_timeout(1500)
            covered = page.evaluate(FIT)
            page.wait_for_timeout(1000)
            save(page.screenshot(clip=covered), IMAGES / "workflow.jpg", WIDTH)
        browser.close()
    cards.main()


if __name__ == "__main__":
    main()
