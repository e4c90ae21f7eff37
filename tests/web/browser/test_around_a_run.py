"""Before a run its pictures are brought in; after it the LoRA is used, and the run renamed and deleted."""

import base64
import json

import pytest
import torch
from PIL import Image
from playwright.sync_api import Page, expect
from safetensors.torch import save_file

from pack.tests.web.browser.panel_page import open_sidebar
from pack.training.events import PreviewReady, RunEnded, RunStarted, Saved
from pack.training.record.log import JsonlLog
from pack.training.record.run_json import RunJson
from pack.training.record.samples import SampleFiles

pytestmark = pytest.mark.browser

#: Two files in a folder, as they come from the desktop.
DROP = """async ([type, files]) => {
    const node = app.graph._nodes.find((one) => one.type === type);
    const bytes = (text) => Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
    const entry = ([name, text]) => ({ isFile: true, name, file: (done) => done(new File([bytes(text)], name)) });
    const inner = files.map(entry);
    const folder = { isFile: false, name: "Мои собаки", createReader: () => ({ readEntries: (done) => done(inner.splice(0)) }) };
    const dataTransfer = { types: ["Files"], files: [], items: [{ kind: "file", webkitGetAsEntry: () => folder }] };
    const event = { dataTransfer, preventDefault() {}, stopPropagation() {} };
    return [node.onDragOver(event), node.onDragDrop(event)];
}"""
WIRES = """() => app.graph._nodes.flatMap((node) => (node.inputs ?? []).map((input) => {
    const link = input.link == null ? null : app.graph.getLink?.(input.link) ?? app.graph.links[input.link];
    return link ? `${node.type}.${input.name} < ${app.graph.getNodeById(link.origin_id).type}` : null;
})).filter(Boolean).sort()"""


def finished_run(base, name: str) -> None:
    folder = base / "output" / "lora_canvas" / name
    folder.mkdir(parents=True)
    lora = folder / f"{name}.safetensors"
    save_file({"lora_unet_mid.alpha": torch.ones(1)}, lora, {"ss_session_id": name})
    pictures = torch.linspace(0, 1, 64).expand(2, 64, 64)[..., None] * torch.tensor([1.0, 0.6 if "x" in name else 0.2, 0.3])
    started = RunStarted(run_name=name, folder=folder, start_step=0, total_steps=80, steps_per_epoch=8.0, settings={"rank": 8})
    samples = [PreviewReady(step=step, images=pictures * step / 80, prompts=("a fox", "a dog"), seeds=(1, 2), seconds=1.0)
               for step in (40, 80)]
    events = [started, *samples, Saved(step=80, path=lora, kind="lora"),
              RunEnded(reason="finished", step=80, total_steps=80, lora_path=lora, seconds=8.0)]
    prompt = {"5": {"class_type": "LoRACanvasTrainLoRA", "inputs": {"steps": 80, "run_name": name}}}
    for listener in (SampleFiles(folder), JsonlLog(folder), RunJson(folder, {"nodes": []}, prompt, "5")):
        for event in events:
            listener(event)


def encoded(path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def bring(page: Page, server, tmp_path, shot) -> None:
    Image.new("RGB", (64, 64), "red").save(tmp_path / "собака 1.png")
    (tmp_path / "собака 1.txt").write_text("ohwx dog")
    (tmp_path / "tool.exe").write_text("x")
    files = [[name, encoded(tmp_path / name)] for name in ("собака 1.png", "собака 1.txt", "tool.exe")]
    assert page.evaluate(DROP, ["LoRACanvasLoadDataset", files]) == [True, True]
    dialog = page.locator("dialog.lora-canvas-bring")
    expect(dialog).to_contain_text("input/Мои собаки: 2 (")
    expect(dialog).to_contain_text("caption: 1 (tool.exe)")
    shot("bring-look")
    dialog.locator("[data-bring=send]").click()
    expect(dialog).to_have_count(0)
    folder = server.base / "input" / "Мои собаки"
    assert sorted(path.name for path in folder.iterdir()) == ["собака 1.png", "собака 1.txt"]
    assert (folder / "собака 1.txt").read_text() == "ohwx dog"
    widget = "app.graph._nodes.find((one) => one.type === 'LoRACanvasLoadDataset').widgets.find((one) => one.name === '{}')"
    assert page.evaluate(widget.format("folder") + ".value") == "Мои собаки"
    page.evaluate(widget.format("choose_folder") + ".callback()")
    expect(dialog.locator(".lora-canvas-bring-row")).to_have_text(["Мои собакиpictures: 1"])
    shot("bring-list")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


@pytest.mark.parametrize(("frontend", "vue_nodes"), [("bundled", False), ("newest", True)])
def test_from_the_pictures_to_the_lora(frontend, vue_nodes, start_server, open_page, repo_root, screenshots, tmp_path):
    with start_server(frontend, pack=repo_root) as server:
        for name in ("around x", "around y"):
            finished_run(server.base, name)
        page = open_page(server.address, vue_nodes=vue_nodes)
        page.evaluate("flow => app.loadGraphData(flow)", json.loads((repo_root / "workflows" / "Train SDXL LoRA.json").read_text()))
        shot = lambda name: page.screenshot(path=screenshots / f"around-{frontend}-{name}.png")  # noqa: E731
        bring(page, server, tmp_path, shot)

        panel = open_sidebar(page)
        expect(panel.name).to_have_text("around y")
        before = page.evaluate(WIRES)
        panel.press("use")
        page.wait_for_function("app.graph._nodes.some((one) => /^LoraLoader/.test(one.type))")
        after = page.evaluate(WIRES)
        assert [one for one in after if one.startswith("LoraLoader")]
        shot("used")
        page.evaluate("document.activeElement?.blur()")
        page.keyboard.press("Control+z")
        page.wait_for_function("!app.graph._nodes.some((one) => /^LoraLoader/.test(one.type))")
        assert page.evaluate(WIRES) == before

        with page.expect_download() as download:
            panel.press("download")
        assert download.value.suggested_filename == "around y.safetensors"
        panel.press("rename")
        page.locator(".lora-canvas-ask-field").fill("around z")
        page.locator(".lora-canvas-ask-ok").click()
        expect(panel.name).to_have_text("around z")
        shot("renamed")
        panel.all_runs()
        for name in ("around z", "around x"):
            panel.row(name).locator("input").check()
        expect(panel.root.locator(".lora-canvas-compare-row .lora-canvas-thumbnail")).to_have_count(4)
        shot("compared")
        panel.root.get_by_role("tab", name="Run", exact=True).click()
        panel.press("delete")
        expect(page.locator(".lora-canvas-ask-dialog")).to_contain_text("in this folder only, and goes too")
        shot("delete")
        page.locator(".lora-canvas-ask-ok").click()
        expect(panel.name).to_have_text("around x")
        assert [path.name for path in (server.base / "output" / "lora_canvas").iterdir()] == ["around x"]
