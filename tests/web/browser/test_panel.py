"""The panel in a browser: watching, steering, reloading, comparing."""

import pytest
from playwright.sync_api import expect

from pack.demo.comfyui.browser import wait_until_ready
from pack.tests.web.browser.conftest import name_of
from pack.tests.web.browser.panel_page import add_node, open_bottom, open_sidebar, queue_over_api, run_canvas

pytestmark = pytest.mark.browser


def test_watch_steer_pause_and_resume(frontend_server, open_page, screenshots):
    page = open_page(frontend_server.address)
    label = name_of(frontend_server.pair)
    add_node(page, run_name=f"steered-{label}", steps=2000, seconds_per_step=0.03, preview_every=1000)
    panel = open_sidebar(page)
    run_canvas(page)
    expect(panel.name).to_have_text(f"steered-{label}")
    panel.expect_status("training")
    panel.wait_for_step(60)
    assert panel.drawn_pixels() > 500

    node = page.locator(".lora-canvas-node")
    expect(node.locator(".lora-canvas-run-progress")).to_contain_text("left")
    expect(node.locator(".lora-canvas-node-sample img")).to_be_visible()
    page.screenshot(path=screenshots / f"watch-{label}.png")

    before = panel.thumbnails.count()
    panel.press("preview")
    expect(panel.thumbnails).to_have_count(before + 3)
    panel.press("save")
    expect(panel.root.locator(".lora-canvas-file").first).to_contain_text("checkpoint")
    panel.root.get_by_label("Learning rate ×").fill("0.5")
    panel.root.get_by_label("Learning rate ×").press("Enter")

    panel.press("pause")
    panel.expect_status("paused")
    paused_at = panel.step()
    assert 60 <= paused_at < 2000
    panel.press("resume")
    panel.expect_status("training")
    panel.wait_for_step(paused_at + 10)
    panel.press("stop")
    panel.expect_status("stopped")
    expect(panel.root.locator(".lora-canvas-file").first).to_contain_text("LoRA")


def test_a_reload_in_the_middle_loses_nothing(frontend_server, open_page):
    page = open_page(frontend_server.address)
    queue_over_api(frontend_server.address, run_name="reloaded", steps=4000, seconds_per_step=0.03)
    panel = open_sidebar(page)
    panel.wait_for_step(80)
    page.reload()
    wait_until_ready(page)
    panel = open_sidebar(page) if not page.locator(".lora-canvas-panel").is_visible() else panel
    panel.wait_for_step(100)
    expect(panel.name).to_have_text("reloaded")
    panel.press("stop")
    panel.expect_status("stopped")
    steps = page.evaluate("fetch('/lora_canvas/runs/reloaded').then(r => r.json()).then(run => run.step)")
    assert panel.step() == steps


def test_a_run_queued_over_the_api_appears_by_itself(frontend_server, open_page):
    page = open_page(frontend_server.address)
    panel = open_sidebar(page)
    queue_over_api(frontend_server.address, run_name="from-a-script", steps=60)
    expect(panel.name).to_have_text("from-a-script")
    panel.expect_status("finished")
    assert panel.step() == 60


def test_past_runs_are_opened_laid_over_one_another_and_compared(frontend_server, open_page, screenshots):
    for name, seed in (("first", 1), ("second", 2)):
        queue_over_api(frontend_server.address, run_name=name, seed=seed, steps=120, seconds_per_step=0.001, preview_every=60)
    page = open_page(frontend_server.address)
    panel = open_bottom(page)
    panel.all_runs()
    for name in ("first", "second"):
        expect(panel.row(name).locator(".lora-canvas-status")).to_have_text("finished")
        panel.row(name).get_by_role("checkbox").check()
    table = panel.root.locator(".lora-canvas-diff")
    expect(table.get_by_role("row").filter(has_text="rank")).to_contain_text("32")
    expect(table).to_contain_text("settings are the same")
    expect(table).not_to_contain_text("AdamW8bit")
    page.wait_for_timeout(300)
    assert panel.drawn_pixels(page.locator(".lora-canvas-chart canvas").count() - 1) > 500
    page.screenshot(path=screenshots / f"compare-{name_of(frontend_server.pair)}.png")
    panel.row("first").locator(".lora-canvas-run-open").click()
    expect(panel.name).to_have_text("first")
    assert panel.step() == 120


def test_samples_large_and_two_steps_under_a_slider(frontend_server, open_page, screenshots):
    queue_over_api(frontend_server.address, run_name="pictures", steps=100, seconds_per_step=0.001, preview_every=50)
    page = open_page(frontend_server.address)
    panel = open_sidebar(page)
    expect(panel.name).to_have_text("pictures")
    expect(panel.thumbnails).to_have_count(9)
    panel.thumbnails.first.click()
    dialog = page.get_by_role("dialog", name="Samples")
    expect(dialog).to_contain_text("sks fox")
    expect(dialog).to_contain_text("step 100")
    page.keyboard.press("ArrowRight")
    expect(dialog).to_contain_text("step 50")
    dialog.get_by_role("button", name="Compare").click()
    front, slider = dialog.locator(".lora-canvas-lightbox-image").nth(1), dialog.get_by_role("slider")
    slider.fill("250")
    assert "75%" in front.evaluate("image => image.style.clipPath")
    expect(dialog.locator(".lora-canvas-tag-left")).to_have_text("step 0")
    expect(dialog.locator(".lora-canvas-tag-right")).to_have_text("step 50")
    page.wait_for_function(
        "[...document.querySelectorAll('.lora-canvas-lightbox-image')].every(image => image.complete && image.naturalWidth)"
    )
    page.screenshot(path=screenshots / f"slider-{name_of(frontend_server.pair)}.png")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_the_workflow_of_a_past_run_comes_back(frontend_server, open_page):
    page = open_page(frontend_server.address)
    add_node(page, run_name="kept-graph", steps=20, seconds_per_step=0.001, preview_every=0)
    panel = open_sidebar(page)
    run_canvas(page)
    expect(panel.name).to_have_text("kept-graph")
    panel.expect_status("finished")
    page.evaluate("app.graph.clear()")
    panel.press("openWorkflow")
    page.wait_for_function("app.graph._nodes.length === 1")
    assert page.evaluate("app.graph._nodes[0].widgets.find(one => one.name === 'run_name').value") == "kept-graph"


def test_idle_costs_nothing(frontend_server, open_page):
    page = open_page(frontend_server.address)
    open_sidebar(page)
    page.wait_for_timeout(1500)
    asked = []
    page.on("request", lambda request: "lora_canvas" in request.url and asked.append(request.url))
    frames = page.evaluate(
        """() => new Promise((resolve) => {
            const original = window.requestAnimationFrame;
            let ours = 0;
            window.requestAnimationFrame = (work) => { if (new Error().stack.includes("LoRA-Canvas")) ours++; return original(work); };
            setTimeout(() => { window.requestAnimationFrame = original; resolve(ours); }, 3000);
        })"""
    )
    assert (asked, frames) == ([], 0)
