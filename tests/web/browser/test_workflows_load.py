"""Every shipped workflow opens in the real frontend: no missing node, no complaint, every widget as it was saved, letters large enough."""

import json

import pytest

from pack.tests.web.browser.conftest import each_pair

pytestmark = pytest.mark.browser

UNKNOWN = "() => app.graph._nodes.filter((node) => !(node.type in LiteGraph.registered_node_types)).map((node) => node.type)"
WIDGETS = """() => Object.fromEntries(app.graph.serialize().nodes
    .filter((node) => node.type.startsWith("LoRACanvas")).map((node) => [node.id, node.widgets_values ?? []]))"""


@each_pair
def test_each_opens_as_it_was_saved(pair, start_server, open_page, repo_root):
    with start_server(pair[0], pack=repo_root) as server:
        page = open_page(server.address)
        for path in sorted((repo_root / "workflows").glob("*.json")):
            workflow = json.loads(path.read_text(encoding="utf-8"))
            page.evaluate("workflow => app.loadGraphData(workflow)", workflow)
            page.wait_for_timeout(300)
            assert page.evaluate(UNKNOWN) == [], path.stem
            # Letters are 12 pixels high at a scale of 1: at least 11 on this screen of 1280 x 720.
            assert page.evaluate("app.canvas.ds.scale") >= 11 / 12 - 0.001, path.stem
            assert page.evaluate("app.graph._nodes.length") == len(workflow["nodes"]), path.stem
            shown = page.evaluate(WIDGETS)
            saved = {str(node["id"]): node["widgets_values"] for node in workflow["nodes"] if node["type"].startswith("LoRACanvas")}
            assert {number: values[: len(saved[number])] for number, values in shown.items()} == saved, path.stem
