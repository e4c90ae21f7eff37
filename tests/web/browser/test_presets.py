"""Presets on a shipped workflow: chosen, set, kept as one's own, and read from a file of kohya's."""

import json

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

WIDGET = """([type, name]) => app.graph._nodes.find((one) => one.type === type).widgets.find((one) => one.name === name).value"""
DIALOG = "dialog.lora-canvas-presets"
KOHYA = {"LoRA_type": "Standard", "network_dim": 24, "network_alpha": 12, "learning_rate": 2e-4, "unet_lr": 2e-4, "text_encoder_lr": 0,
         "optimizer": "AdamW8bit", "lr_scheduler": "cosine", "lr_warmup": 10, "max_resolution": "768,768", "min_snr_gamma": 5, "epoch": 12,
         "save_precision": "bf16", "xformers": "sdpa", "made_up": 7}


def widget(page: Page, node: str, name: str):
    return page.evaluate(WIDGET, [f"LoRACanvas{node}", name])


def open_dialog(page: Page):
    page.locator("button.lora-canvas-node-preset").click()
    dialog = page.locator(DIALOG)
    expect(dialog.locator(".lora-canvas-preset-body")).not_to_be_empty()
    return dialog


@pytest.mark.parametrize(("frontend", "vue_nodes"), [("bundled", False), ("newest", True)])
def test_one_choice_fills_the_nodes(frontend, vue_nodes, start_server, open_page, repo_root, screenshots, tmp_path):
    with start_server(frontend, pack=repo_root) as server:
        page = open_page(server.address, vue_nodes=vue_nodes)
        page.evaluate("flow => app.loadGraphData(flow)", json.loads((repo_root / "workflows" / "Train SDXL LoRA.json").read_text()))
        dialog = open_dialog(page)
        expect(dialog.locator("select[name=family]")).to_have_value("sdxl")
        dialog.locator("select[name=preset]").select_option("character")
        dialog.locator("select[name=card]").select_option("8")
        expect(dialog).to_contain_text("40-80 pictures")
        page.screenshot(path=screenshots / f"presets-{frontend}-dialog.png")
        dialog.locator("[data-preset=apply]").click()
        expect(dialog).to_have_count(0)
        assert [widget(page, "LoRANetwork", name) for name in ("rank", "alpha")] == [32, 16]
        assert widget(page, "TrainLoRA", "save_every_n_steps") == 500
        expect(page.locator("button.lora-canvas-node-preset")).to_contain_text("Character · SDXL")
        page.screenshot(path=screenshots / f"presets-{frontend}-set.png")

        dialog = open_dialog(page)
        dialog.locator(".lora-canvas-preset-title").fill("mine: 1")
        dialog.locator("[data-preset=presetSave]").click()
        expect(dialog.locator("select[name=preset]")).to_have_value("mine:mine_ 1")
        kept = json.loads((server.base / "user" / "default" / "lora_canvas" / "presets" / "mine_ 1.json").read_text())
        assert kept["nodes"]["LoRACanvasLoRANetwork"]["rank"] == 32 and "folder" not in kept["nodes"]["LoRACanvasLoadDataset"]
        with page.expect_download() as download:
            dialog.locator("[data-preset=presetExport]").click()
        assert json.loads(download.value.path().read_text())["nodes"] == kept["nodes"]

        file = tmp_path / "sdxl_kohya.json"
        file.write_text(json.dumps(KOHYA))
        dialog.locator("input[type=file]").set_input_files(file)
        expect(dialog).to_contain_text("network_dim = 24")
        expect(dialog).to_contain_text("In the file, but nothing to set (2)")
        page.screenshot(path=screenshots / f"presets-{frontend}-kohya.png")
        dialog.locator("[data-preset=apply]").click()
        assert [widget(page, "LoRANetwork", name) for name in ("rank", "alpha")] == [24, 12]
        assert [widget(page, "Optimizer", name) for name in ("optimizer", "learning_rate", "warmup_percent")] == ["AdamW8bit", 2e-4, 10]
        others = [("BucketConfig", "resolution"), ("TrainLoRA", "epochs"), ("SaveLoRA", "dtype")]
        assert [widget(page, *one) for one in others] == [768, 12, "bf16"]
