"""Runs the demo's workflow in a browser and takes README's pictures of the run: `make pictures`."""

import io
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, ViewportSize

from ..comfyui.client import ComfyClient
from ..comfyui.server import ComfyServer
from ..grid import sample_grid
from ..stage import FOLDER, ROOT, fit_to_world, load_workflow, place_checkpoint, place_pictures, prompt_of

IMAGES = ROOT / "docs" / "img"
STEPS, SHOWN_AT = 160, 110
PATIENCE = 1_800_000  # ms
WINDOW: ViewportSize = {"width": 2800, "height": 1800}
WIDE, GRID_WIDTH = 1600, 1000

#: What the canvas shows is set to what the demo runs: {node id: {widget: value}}.
SET = """values => {
    for (const node of app.graph._nodes)
        for (const widget of node.widgets ?? []) {
            const value = values[node.id]?.[widget.name];
            if (value !== undefined) widget.value = value;
        }
}"""
#: The middle of the workflow in view, right of the panel.
LOOK = """() => {
    app.canvas.ds.scale = 1;
    app.canvas.ds.offset = [420, 110];
    app.canvas.setDirty(true, true);
}"""
STEP = """step => {
    const text = document.querySelector(".lora-canvas-panel .lora-canvas-run-progress span")?.textContent ?? "";
    return Number(text.split("/")[0]) >= step;
}"""


def run_demo(page: Page, server: ComfyServer) -> None:
    """Open the workflow as the demo sets it, run it to its end, and take the picture of a run that is under way."""
    workflow = load_workflow()
    with ComfyClient(server.address) as client:
        prompt = prompt_of(workflow, client.get("/object_info"), place_checkpoint(server.base, None), place_pictures(server.base))
        fit_to_world(prompt, STEPS)
        page.evaluate("workflow => app.loadGraphData(workflow)", workflow)
        page.evaluate(SET, {key: {name: value for name, value in node["inputs"].items() if not isinstance(value, list)}
                            for key, node in prompt.items()})  # fmt: skip
        page.evaluate("app.extensionManager.command.execute('Workspace.ToggleSidebarTab.lora-canvas')")
        page.set_viewport_size({"width": WIDE, "height": 1000})
        page.evaluate(LOOK)
        page.evaluate("app.queuePrompt(0)")
        page.wait_for_function(STEP, arg=SHOWN_AT, timeout=PATIENCE)
        save(page.screenshot(), IMAGES / "training.jpg", WIDE)
        page.set_viewport_size(WINDOW)
        while client.get("/queue")["queue_running"]:
            page.wait_for_timeout(1000)
    run = server.base / "output" / "lora_canvas" / FOLDER
    if grid := sample_grid(run / "samples", run / "sample_grid.png"):
        save(grid.read_bytes(), IMAGES / "fox.jpg", GRID_WIDTH)


def save(picture: bytes, path: Path, width: int) -> None:
    """Write a PNG as a JPEG of at most that width."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image.thumbnail((width, 10 * width), Image.Resampling.LANCZOS)
    image.save(path, "JPEG", quality=82, optimize=True)
    print(path.relative_to(ROOT))
