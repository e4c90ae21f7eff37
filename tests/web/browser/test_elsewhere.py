"""A run that another process trains into the same folder: shown live, marked, steered, and not live when it is killed."""

import subprocess
import sys

import pytest
from playwright.sync_api import expect

from pack.tests.web.browser import other_process
from pack.tests.web.browser.conftest import name_of
from pack.tests.web.browser.panel_page import open_sidebar

pytestmark = pytest.mark.browser


def test_a_run_of_another_process_is_watched_and_steered(frontend_server, open_page, screenshots):
    name = f"far-{name_of(frontend_server.pair)}"
    folder = frontend_server.base / "output" / "lora_canvas" / name
    page = open_page(frontend_server.address)
    panel = open_sidebar(page)
    with subprocess.Popen([sys.executable, other_process.__file__, str(folder.parent), name]) as process:
        try:
            expect(panel.name).to_have_text(name, timeout=120_000)
            panel.expect_status("training", timeout=120_000)
            expect(panel.root).to_contain_text(f"Trained by process {process.pid} on")
            at = panel.step()
            panel.wait_for_step(at + 20)
            page.screenshot(path=screenshots / f"elsewhere-{name_of(frontend_server.pair)}.png")
            panel.press("save")
            expect(panel.root.locator(".lora-canvas-file").first).to_contain_text("checkpoint", timeout=60_000)
            panel.press("pause")
            panel.expect_status("paused", timeout=60_000)
            assert process.wait(60) == 0
        finally:
            process.kill()
    assert not list(folder.glob("requests/*"))
