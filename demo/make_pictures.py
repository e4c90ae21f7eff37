"""Takes the pictures that the pack shows of itself, in a real ComfyUI and Chromium: `make pictures`.

A .jpg beside every workflow, which the template browser shows, and README's: the workflow while it trains, with the panel open.
"""

import io
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from .server import ComfyServer
from .stage import PROMPTS, place_checkpoint, place_pictures

ROOT = Path(__file__).resolve().parents[1]
BROWSERS = ("/usr/bin/chromium", "/usr/bin/google-chrome")
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync")
SETTINGS = {"Comfy.TutorialCompleted": True, "Comfy.Workflow.ShowMissingModelsWarning": False}
SIDE, STEPS = 192, 300

#: All nodes in view, in a window with so much room taken on the left.
FIT = """left => {
    const nodes = app.graph._nodes, corner = (at) => nodes.map((node) => node.pos[at]);
    const [x, y] = [Math.min(...corner(0)), Math.min(...corner(1)) - 40];
    const right = Math.max(...nodes.map((node) => node.pos[0] + node.size[0]));
    const bottom = Math.max(...nodes.map((node) => node.pos[1] + node.size[1]));
    const scale = Math.min((innerWidth - left - 40) / (right - x), (innerHeight - 60) / (bottom - y), 1.2);
    const free = [(innerWidth - left) / scale - (right - x), innerHeight / scale - (bottom - y)];
    app.canvas.ds.scale = scale;
    app.canvas.ds.offset = [left / scale + free[0] / 2 - x, free[1] / 2 - y];
    app.canvas.setDirty(true, true);
}"""
SET = """values => {
    for (const node of app.graph._nodes)
        for (const widget of node.widgets ?? []) {
            const value = values[`${node.comfyClass}.${widget.name}`] ?? values[widget.name];
            if (value !== undefined) widget.value = value;
        }
}"""


def main() -> None:
    comfyui = Path(os.environ.get("COMFYUI_PATH") or ROOT / ".comfyui").resolve()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        base = Path(folder)
        (base / "user" / "default").mkdir(parents=True)
        (base / "user" / "default" / "comfy.settings.json").write_text(json.dumps(SETTINGS))
        found = next((path for path in BROWSERS if Path(path).exists()), None)
        browser = playwright.chromium.launch(executable_path=found, args=list(QUIET))
        with ComfyServer(comfyui, base, ROOT) as server:
            for path in sorted((ROOT / "workflows").glob("*.json")):
                take_workflow(_page(browser, server.address, 1600, 1000), path)
            take_training(_page(browser, server.address, 2000, 1150), base)
        browser.close()


def take_workflow(page: Page, path: Path) -> None:
    page.evaluate("workflow => app.loadGraphData(workflow)", json.loads(path.read_text(encoding="utf-8")))
    page.keyboard.press("Escape")
    page.evaluate("app.extensionManager.command.execute('Workspace.ToggleFocusMode')")
    page.wait_for_timeout(1500)
    page.evaluate(FIT, 0)
    page.wait_for_timeout(1000)
    _keep(page, path.with_suffix(".jpg"), width=800)
    page.close()


def take_training(page: Page, base: Path) -> None:
    """README's: the SD1.5 workflow near its end, with the panel."""
    values = {
        "ckpt_name": place_checkpoint(base, None), "folder": place_pictures(base), "resolution": SIDE, "min_bucket": SIDE // 2,
        "max_bucket": 2 * SIDE, "LoRACanvasTrainLoRA.steps": STEPS, "gradient_checkpointing": False, "run_name": "lcfox", "filename": "lcfox",
        "prompts": "\n".join(PROMPTS), "every_n_steps": 25, "sampling_steps": 8, "width": SIDE, "height": SIDE, "learning_rate": 5e-4,
        "KSampler.steps": 8, "validate_every_n_steps": 25, "validation_fraction": 0.15, "save_every_n_steps": 100,
    }
    page.evaluate("workflow => app.loadGraphData(workflow)", json.loads((ROOT / "workflows" / "Train SD1.5 LoRA.json").read_text(encoding="utf-8")))
    page.keyboard.press("Escape")
    page.evaluate(SET, values)
    page.evaluate("app.extensionManager.command.execute('Workspace.ToggleSidebarTab.lora-canvas')")
    page.evaluate("app.queuePrompt(0)")
    _until(page, lambda: _step(page) >= STEPS * 3 // 4)
    page.evaluate(FIT, 480)
    page.wait_for_timeout(1500)
    _keep(page, ROOT / "docs" / "img" / "training.jpg", width=1600)
    page.close()


def _step(page: Page) -> int:
    text = page.locator(".lora-canvas-run-progress span").first.text_content() or ""
    number = text.split("/")[0].strip().replace(",", "")
    return int(number) if number.isdigit() else 0


def _until(page: Page, done: Callable[[], bool], minutes: float = 15) -> None:
    for _ in range(int(minutes * 60)):
        if done():
            return
        page.wait_for_timeout(1000)
    raise TimeoutError(f"still at step {_step(page)} after {minutes} minutes")


def _page(browser, address: str, width: int, height: int) -> Page:
    page = browser.new_page(viewport={"width": width, "height": height})
    page.goto(f"http://{address}/")
    page.wait_for_function("window.app?.extensionManager?.sidebarTab?.sidebarTabs?.some(tab => tab.id === 'lora-canvas') && app.graph")
    return page


def _keep(page: Page, path: Path, width: int) -> None:
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.thumbnail((width, width), Image.Resampling.LANCZOS)
    picture.save(path, "JPEG", quality=82, optimize=True)
    print(path.relative_to(ROOT))


if __name__ == "__main__":
    sys.exit(main())
