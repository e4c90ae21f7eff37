"""The shipped workflow, opened and run as a user does it, watched and steered: buttons, steps, status and files.

The training is real, on the world (docs/world.md); two sampling steps are too few to see anything: samples are looked at for their number.
"""

import pytest
from playwright.sync_api import expect

from pack.demo.comfyui.browser import wait_until_ready
from pack.demo.stage import PROMPTS, load_workflow, place_checkpoint, place_pictures
from pack.tests.web.browser import panel_page
from pack.tests.web.browser.conftest import each_pair, name_of

pytestmark = pytest.mark.browser
SIDE = 128


def quick(base, steps: int) -> dict[str, dict]:
    """Widget values that fit the workflow to a CPU."""
    return {
        "CheckpointLoaderSimple": {"ckpt_name": place_checkpoint(base, None)},
        "LoRACanvasLoadDataset": {"folder": place_pictures(base)},
        "LoRACanvasBucketConfig": {"resolution": SIDE, "min_bucket": SIDE // 2, "max_bucket": 2 * SIDE},
        "LoRACanvasTrainLoRA": {"run_name": "fox", "steps": steps, "gradient_checkpointing": False, "save_every_n_steps": 0},
        "LoRACanvasSamplePreview": {"prompts": "\n".join(PROMPTS), "every_n_steps": 20, "width": SIDE, "height": SIDE, "sampling_steps": 2},
        "EmptyLatentImage": {"width": SIDE, "height": SIDE},
        "KSampler": {"steps": 2},
    }


@each_pair
def test_the_shipped_workflow_watched_and_steered(pair, start_server, open_page, repo_root, screenshots):
    with start_server(pair[0], pack=repo_root) as server:
        page = open_page(server.address)
        panel_page.load_workflow(page, load_workflow(), quick(server.base, steps=400))
        panel = panel_page.open_sidebar(page)
        panel_page.run_canvas(page)
        expect(panel.name).to_have_text("fox", timeout=60_000)
        panel.expect_status("training", timeout=120_000)
        panel.wait_for_step(25)
        expect(panel.thumbnails).to_have_count(2 * len(PROMPTS))
        page.screenshot(path=screenshots / f"steered-{name_of(pair)}.png")

        panel.press("save")
        expect(panel.root.locator(".lora-canvas-file").first).to_contain_text("checkpoint", timeout=60_000)
        panel.press("preview")
        expect(panel.thumbnails).to_have_count(3 * len(PROMPTS), timeout=60_000)
        assert list((server.base / "output" / "lora_canvas" / "fox" / "checkpoints").glob("*.safetensors"))

        page.reload()
        wait_until_ready(page)
        if not page.locator(".lora-canvas-panel").is_visible():
            panel_page.open_sidebar(page)
        panel.expect_status("training")
        panel.wait_for_step(25)

        panel.press("pause")
        panel.expect_status("paused", timeout=60_000)
        paused_at = panel.step()
        panel.press("resume")
        panel.expect_status("training", timeout=120_000)
        panel.wait_for_step(paused_at + 3)
        panel.press("stop")
        panel.expect_status("stopped", timeout=60_000)
        assert (server.base / "output" / "lora_canvas" / "fox" / "fox.safetensors").is_file()
