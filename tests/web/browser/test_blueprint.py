"""The whole training as one node: found in the search, wired to a loader, run to a saved file, on the world. Four steps and
one of sampling show nothing: the screenshot is of the node before the run."""

import pytest
from playwright.sync_api import Page, expect

from pack.demo.shipped.one_node import NAME
from pack.demo.stage import PROMPTS, place_checkpoint, place_pictures
from pack.tests.web.browser import panel_page
from pack.tests.web.browser.conftest import each_pair, name_of

pytestmark = pytest.mark.browser

JOIN = """checkpoint => {
    const [one] = app.graph._nodes;
    const loader = LiteGraph.createNode("CheckpointLoaderSimple");
    app.graph.add(loader);
    loader.widgets.find((widget) => widget.name === "ckpt_name").value = checkpoint;
    ["model", "clip", "vae"].forEach((name, slot) => loader.connect(slot, one, one.inputs.findIndex((input) => input.name === name)));
    const decode = LiteGraph.createNode("PreviewImage");
    app.graph.add(decode);
    one.connect(one.outputs.findIndex((output) => output.name === "loss_plot"), decode, 0);
    [[loader, [450, 100]], [one, [850, 60]], [decode, [450, 300]]].forEach(([node, place]) => (node.pos = place));
    app.canvas.ds.scale = 0.8;
    app.canvas.ds.offset = [120, 40];
}"""


INSIDE = """values => {
    for (const node of app.graph._nodes[0].subgraph._nodes)
        for (const widget of node.widgets ?? []) if (widget.name in values) widget.value = values[widget.name];
}"""


def add_by_search(page: Page, name: str) -> None:
    """Double-click on the empty canvas, type, Enter: as a person does. Blueprints arrive a moment after the page."""
    for _ in range(5):
        page.mouse.dblclick(900, 500)
        page.wait_for_timeout(500)
        page.keyboard.type(name, delay=20)
        page.wait_for_timeout(1500)
        page.keyboard.press("Enter")
        page.wait_for_timeout(1000)
        if page.evaluate("app.graph._nodes.length") == 1:
            return
        page.keyboard.press("Escape")
    raise AssertionError(f"the search does not offer {name}")


@each_pair
def test_the_one_node_trains(pair, start_server, open_page, repo_root, screenshots):
    with start_server(pair[0], pack=repo_root) as server:
        checkpoint, folder = place_checkpoint(server.base, None), place_pictures(server.base)
        page = open_page(server.address)
        add_by_search(page, NAME)
        names = page.evaluate("app.graph._nodes[0].widgets.filter(widget => !widget.hidden).map(widget => widget.name)")
        assert names == ["folder", "name", "steps", "learning_rate", "resolution", "prompts", "resume", "cfg", "lora_canvas_display"]
        values = {"folder": folder, "name": "one", "steps": 4, "resolution": 128, "prompts": PROMPTS[0]}
        page.evaluate(
            "values => { for (const widget of app.graph._nodes[0].widgets) "
            "if (widget.name in values) widget.value = values[widget.name]; }", values)
        page.evaluate(INSIDE, {"sampling_steps": 1, "gradient_checkpointing": False})
        page.evaluate(JOIN, checkpoint)
        panel = panel_page.open_sidebar(page)
        page.screenshot(path=screenshots / f"one-node-{name_of(pair)}.png")
        panel_page.run_canvas(page)
        expect(panel.name).to_have_text("one", timeout=120_000)
        panel.expect_status("finished", timeout=300_000)
        assert panel.step() == 4
        expect(page.locator(".lora-canvas-node-active").filter(has_text="4", visible=True).first).to_be_visible()
        page.screenshot(path=screenshots / f"one-node-run-{name_of(pair)}.png")
        saved = server.base / "models" / "loras" / "one.safetensors"
        for _ in range(300):
            if saved.is_file():
                break
            page.wait_for_timeout(100)
        assert saved.is_file(), list(saved.parent.iterdir())
