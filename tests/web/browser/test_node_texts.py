"""What nodes found, on their faces: read, scrolled, and there again after a reload; in both renderers."""

import re

import pytest
from playwright.sync_api import Page, expect

from pack.demo.comfyui.browser import wait_until_ready
from pack.demo.stage import place_pictures
from pack.tests.web.browser.conftest import each_pair, name_of
from pack.tests.web.browser.panel_page import run_canvas

pytestmark = pytest.mark.browser
TEXT = ".lora-canvas-node-text"
#: Load Dataset -> Dataset Doctor, Caption Preview of so many draws that its text must be scrolled.
GRAPH = """([folder]) => {
    const add = (type, pos, values = {}) => {
        const node = LiteGraph.createNode(type);
        node.pos = pos;
        app.graph.add(node);
        for (const [name, value] of Object.entries(values)) node.widgets.find((one) => one.name === name).value = value;
        return node;
    };
    const data = add("LoRACanvasLoadDataset", [20, 100], { folder });
    data.connect(0, add("LoRACanvasDatasetDoctor", [480, 100]), 0);
    data.connect(0, add("LoRACanvasCaptionPreview", [480, 420], { draws: 40 }), 0);
    add("LoRACanvasSaveLoRA", [900, 100]);
    app.canvas.ds.scale = 1;
    app.canvas.ds.offset = [60, 0];
}"""


def texts(page: Page) -> list[str]:
    return page.locator(TEXT).evaluate_all("boxes => boxes.map((box) => box.value)")


@each_pair
def test_what_a_node_found_is_read_on_it(pair, start_server, open_page, repo_root, screenshots):
    with start_server(pair[0], pack=repo_root) as server:
        page = open_page(server.address)
        page.evaluate(GRAPH, [place_pictures(server.base)])
        expect(page.locator(TEXT)).to_have_count(3)
        page.screenshot(path=screenshots / f"texts-empty-{name_of(pair)}.png")
        run_canvas(page)
        doctor, captions, save = (page.locator(TEXT).nth(index) for index in range(3))
        expect(captions).to_have_value(re.compile("lcfox|fox"), timeout=60_000)
        expect(doctor).not_to_have_value("")
        expect(save).to_have_value("")  # it did not run: no LoRA is wired to it
        page.screenshot(path=screenshots / f"texts-{name_of(pair)}.png")

        scale = page.evaluate("app.canvas.ds.scale")
        captions.click()  # as in ComfyUI's own text boxes: on Vue nodes the wheel is the canvas's until then
        page.mouse.wheel(0, 300)
        page.wait_for_function(f"document.querySelectorAll('{TEXT}')[1].scrollTop > 0")
        assert page.evaluate("app.canvas.ds.scale") == scale

        before = texts(page)
        page.wait_for_timeout(1500)  # the frontend keeps a draft of the workflow a moment after it changed
        page.reload()
        wait_until_ready(page)
        expect(page.locator(TEXT)).to_have_count(3)
        expect(page.locator(TEXT).nth(1)).to_have_value(before[1])
        assert texts(page) == before
        page.screenshot(path=screenshots / f"texts-reloaded-{name_of(pair)}.png")
