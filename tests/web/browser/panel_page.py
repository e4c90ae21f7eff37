"""The panel as a person uses it: words for what the tests click and read."""

import time

from playwright.sync_api import Locator, Page, expect

from pack.tests.web.browser.conftest import post

NODE = "LoRACanvasTrainLoRA"


def add_node(page: Page, **widgets) -> None:
    """A Train LoRA node on the canvas with these widget values."""
    page.evaluate(
        """([type, values]) => {
            const node = LiteGraph.createNode(type);
            node.pos = [760, 120];
            app.graph.add(node);
            for (const [name, value] of Object.entries(values)) node.widgets.find((one) => one.name === name).value = value;
        }""",
        [NODE, widgets],
    )


def load_workflow(page: Page, workflow: dict, widgets: dict[str, dict]) -> None:
    """Open a workflow and set widgets, by node type: {"LoRACanvasTrainLoRA": {"steps": 10}}."""
    page.evaluate("workflow => app.loadGraphData(workflow)", workflow)
    page.evaluate(
        """(changes) => {
            for (const [type, values] of Object.entries(changes))
                for (const node of app.graph._nodes.filter((one) => one.comfyClass === type))
                    for (const [name, value] of Object.entries(values)) node.widgets.find((one) => one.name === name).value = value;
        }""",
        widgets,
    )


def run_canvas(page: Page) -> None:
    page.evaluate("app.queuePrompt(0)")


def queue_over_api(address: str, **inputs) -> None:
    """As a script would: no page, no workflow."""
    values = {"run_name": "api", "steps": 50, "seed": 1, "resume": "", "seconds_per_step": 0.02, "preview_every": 0, **inputs}
    post(address, "/prompt", {"prompt": {"1": {"class_type": NODE, "inputs": values}}})


def open_sidebar(page: Page) -> "Panel":
    page.evaluate("app.extensionManager.command.execute('Workspace.ToggleSidebarTab.lora-canvas')")
    return Panel(page)


def open_bottom(page: Page) -> "Panel":
    page.evaluate("app.extensionManager.command.execute('Workspace.ToggleBottomPanelTab.lora-canvas-bottom')")
    return Panel(page)


class Panel:
    """An open panel."""

    def __init__(self, page: Page):
        self.page = page
        self.root = page.locator(".lora-canvas-panel")
        expect(self.root).to_be_visible()

    @property
    def name(self) -> Locator:
        return self.root.locator(".lora-canvas-run-name")

    @property
    def status(self) -> Locator:
        return self.root.locator(".lora-canvas-run-title .lora-canvas-status")

    @property
    def thumbnails(self) -> Locator:
        return self.root.locator(".lora-canvas-gallery .lora-canvas-thumbnail")

    def expect_status(self, word: str, timeout: float = 30_000) -> None:
        expect(self.status).to_have_text(word, timeout=timeout)

    def press(self, action: str) -> None:
        self.root.locator(f"[data-action={action}]").click()

    def step(self) -> int:
        """The step that the panel shows; 0 while it shows another phase."""
        text = self.root.locator(".lora-canvas-run-progress span").first.inner_text().split("/")[0].strip().replace(",", "")
        return int(text) if text.isdigit() else 0

    def wait_for_step(self, step: int) -> None:
        """Two minutes are for a machine that does something else beside."""
        until = time.monotonic() + 120
        while time.monotonic() < until:
            if self.step() >= step:
                return
            self.page.wait_for_timeout(100)
        raise AssertionError(f"the panel stays at step {self.step()}, waited for {step}")

    def all_runs(self) -> None:
        self.root.get_by_role("tab", name="All runs").click()

    def row(self, name: str) -> Locator:
        return self.root.locator(".lora-canvas-run-row").filter(has=self.page.get_by_title(name, exact=True))

    def drawn_pixels(self, chart: int = 0) -> int:
        """How many pixels of a chart's canvas are painted: a chart that shows nothing has few."""
        return self.root.locator(".lora-canvas-chart canvas").nth(chart).evaluate(
            """canvas => {
                const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
                let painted = 0;
                for (let index = 3; index < data.length; index += 4) if (data[index] > 60) painted++;
                return painted;
            }"""
        )
