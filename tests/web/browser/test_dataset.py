"""A data set seen and edited from its node: captions, a change over all and its undo, a picture left out, a mask; and what
lies on the disk then."""

import time

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from pack.tests.web.browser.conftest import PAIRS, name_of

pytestmark = pytest.mark.browser

ADD = """folder => {
    const node = LiteGraph.createNode("LoRACanvasLoadDataset");
    node.pos = [120, 120];
    app.graph.add(node);
    node.widgets.find((one) => one.name === "folder").value = folder;
}"""
BUTTON = "See and edit the pictures"
WIDGET = "name => app.graph._nodes[0].widgets.find((one) => one.name === name)"


def open_dataset(page: Page, vue: bool):
    if vue:
        page.get_by_role("button", name=BUTTON).click()
    else:
        page.evaluate(f"({WIDGET})('{BUTTON}').callback()")
    dialog = page.locator("dialog.lora-canvas-ds")
    expect(dialog.locator(".lora-canvas-ds-tile").first).to_be_visible()
    return dialog


def make_folder(folder):
    folder.mkdir()
    for number in range(300):
        picture = np.full((48, 48 + number % 5 * 12, 3), number % 200, np.uint8)
        picture[:, :, 0] = np.linspace(0, 255, picture.shape[1])
        Image.fromarray(picture).save(folder / f"dog{number:03}.png")
        (folder / f"dog{number:03}.txt").write_text(f"ohwx dog, sofa, number {number}")


def change_captions(page: Page, dialog, folder, picture):
    """One, then all, and both back; then one that another program has changed meanwhile."""
    said, first = dialog.get_by_role("status"), dialog.locator(".lora-canvas-ds-tile .lora-canvas-ds-caption").first
    first.fill("ohwx dog, garden")
    expect(said).to_have_text("All is saved")
    assert (folder / "dog000.txt").read_text() == "ohwx dog, garden\n"
    dialog.locator("select[name=kind]").select_option("replace")
    dialog.locator("input[name=what]").fill("ohwx dog")
    dialog.locator("input[name=to]").fill("ohwx, dog")
    dialog.locator("[data-ds=all]").click()
    expect(said).to_have_text("300 captions changed")
    assert {path.read_text().split(", ")[0] for path in folder.glob("*.txt")} == {"ohwx"}
    page.screenshot(path=picture)
    dialog.locator("[data-ds=dsUndo]").click()
    expect(said).to_contain_text("Taken back: replace 'ohwx dog'")
    assert (folder / "dog299.txt").read_text() == "ohwx dog, sofa, number 299"
    dialog.locator("[data-ds=dsUndo]").click()
    expect(first).to_have_value("ohwx dog, sofa, number 0")

    (folder / "dog000.txt").write_text("of another program")
    first.fill("mine")
    expect(dialog.get_by_role("alert")).to_contain_text("of another program")
    assert (folder / "dog000.txt").read_text() == "of another program"
    dialog.locator("[data-ds=mine]").click()
    expect(dialog.get_by_role("alert")).to_be_hidden()
    assert (folder / "dog000.txt").read_text() == "mine\n"


def paint(page: Page, dialog, picture):
    dialog.locator("[data-ds=mask]").click()
    box = page.locator(".lora-canvas-ds-paint").bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 3, box["y"] + box["height"] / 2)
    page.mouse.up()
    page.screenshot(path=picture)
    page.locator("[data-ds=dsMaskSave]").click()
    expect(dialog.get_by_role("status")).to_contain_text("masks on Load Dataset was set to 'files'")


@pytest.mark.parametrize("pair", PAIRS, ids=name_of)
def test_a_data_set_is_seen_and_edited(pair, start_server, open_page, repo_root, screenshots):
    with start_server(pair[0], pack=repo_root) as server:
        folder = server.base / "input" / "seen and edited"
        make_folder(folder)
        page = open_page(server.address, vue_nodes=pair[1])
        page.evaluate(ADD, folder.name)
        dialog = open_dataset(page, pair[1])
        assert 0 < dialog.locator(".lora-canvas-ds-tile").count() <= 200
        page.wait_for_function("document.querySelector('.lora-canvas-ds-tile img')?.naturalWidth > 0")
        change_captions(page, dialog, folder, screenshots / f"dataset-{name_of(pair)}.png")

        dialog.locator("[data-ds=leave]").click()
        expect(dialog.locator("[data-ds=leave]")).to_contain_text("Train on it again")
        assert (folder / "left_out.list").read_text().endswith("dog000.png\n")
        paint(page, dialog, screenshots / f"dataset-{name_of(pair)}-mask.png")
        mask = np.asarray(Image.open(folder / "dog000-mask.png"))
        assert mask.shape == (48, 48) and mask[24, 8] == 0 and mask[24, 40] == 255 == mask[2, 40]
        assert page.evaluate(f"({WIDGET})('masks').value") == "files"

        dialog.locator(".lora-canvas-ds-tile .lora-canvas-ds-caption").nth(1).fill("typed at the last moment")
        page.close(run_before_unload=True)  # as a tab that is closed while one types
        until = time.monotonic() + 10
        while (folder / "dog001.txt").read_text() != "typed at the last moment\n" and time.monotonic() < until:
            time.sleep(0.1)
        assert (folder / "dog001.txt").read_text() == "typed at the last moment\n"
        open_page.troubles[:] = [one for one in open_page.troubles if "409" not in one]  # a caption that was changed elsewhere
