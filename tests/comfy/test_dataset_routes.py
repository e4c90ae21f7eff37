"""A data set seen and edited over the routes: what they answer, and everything they refuse."""

import asyncio
import base64
import json
import os
from io import BytesIO

import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from PIL import Image

from pack.tests.training.data.pictures_on_disk import gradient, save

ROOT = "/lora_canvas/dataset"
WIDGETS = {"repeats": 1, "caption_extension": ".txt", "captions_from": "auto"}


class PlainServer:
    def __init__(self):
        self.routes, self.app = web.RouteTableDef(), web.Application()


@pytest.fixture
def ask(comfy):
    """`ask(method, path, body, **headers)` -> (status, bytes)."""
    routes = comfy.module("pack.host.panel.routes")

    async def once(method, path, body, headers):
        server = PlainServer()
        routes.register(server)
        server.app.add_routes(server.routes)
        async with TestClient(TestServer(server.app)) as client:
            async with client.request(method, path, json=body, headers=headers) as response:
                return response.status, await response.read()

    return lambda method, path, body=None, **headers: asyncio.run(once(method, path, body, headers))


@pytest.fixture
def folder(comfy, tmp_path, monkeypatch):
    monkeypatch.setattr(comfy.folder_paths, "input_directory", str(tmp_path / "input"))
    root = tmp_path / "input" / "dogs"
    for name in ("a", "b"):
        save(root / f"{name}.png", gradient(80, 64))
    (root / "a.txt").write_text("ohwx dog, sofa")
    return root


def prompt(**widgets):
    return {"1": {"class_type": "LoRACanvasLoadDataset", "inputs": {**WIDGETS, "folder": "dogs", **widgets}},
            "2": {"class_type": "LoRACanvasBucketConfig", "inputs": {
                "dataset": ["1", 0], "resolution": 64, "min_bucket": 32, "max_bucket": 128, "bucket_step": 32}}}


@pytest.fixture
def opened(ask, folder):
    status, body = ask("POST", ROOT, {"prompt": prompt(), "node": "1"})
    assert status == 200
    return json.loads(body)


def test_the_pictures_are_shown_as_the_nodes_behind_train_them(ask, opened):
    a, b = opened["rows"]
    assert (opened["folder"], a["caption"], a["left_out"]) == ("dogs", "ohwx dog, sofa", False)
    assert (a["bucket"], a["crop"]) == ([64, 64], [0.1, 0, 0.8, 1])
    assert ["no_caption", None] in b["warnings"]
    status, jpeg = ask("GET", f"{ROOT}/{opened['key']}/pictures/0?kind=small&v={a['version']}")
    with Image.open(BytesIO(jpeg)) as image:
        assert (status, image.format, image.size) == (200, "JPEG", (80, 64))
        assert np.abs(np.asarray(image.convert("RGB")).astype(int) - gradient(80, 64)).mean() < 6


def test_a_caption_is_edited_and_undone(ask, opened, folder):
    edit = {"index": 0, "before": ["ohwx dog, sofa"], "text": "ohwx dog, bed", "burst": ""}
    status, body = ask("POST", f"{ROOT}/{opened['key']}/caption", edit)
    assert status == 200 and json.loads(body)["rows"]["0"]["caption"] == "ohwx dog, bed" == (folder / "a.txt").read_text().strip()
    (folder / "a.txt").write_text("theirs")
    status, body = ask("POST", f"{ROOT}/{opened['key']}/caption", {**edit, "before": ["ohwx dog, bed"], "text": "mine"})
    assert status == 409 and json.loads(body)["text"] == "theirs" == (folder / "a.txt").read_text()
    change = {"indices": [0, 1], "change": {"kind": "add", "what": "x"}}
    assert ask("POST", f"{ROOT}/{opened['key']}/change", change)[0] == 200 and (folder / "b.txt").read_text() == "x\n"
    assert json.loads(ask("POST", f"{ROOT}/{opened['key']}/undo", {})[1])["undone"] == "add 'x'" and not (folder / "b.txt").exists()
    # Opened again, what was done before can still be taken back.
    again = json.loads(ask("POST", ROOT, {"prompt": prompt(), "node": "1"})[1])
    assert again["undo"] == "a.png"


def test_a_mask_and_a_picture_that_is_left_out(ask, opened, folder):
    out = BytesIO()
    Image.new("RGB", (80, 64), "white").save(out, "PNG")
    url = f"{ROOT}/{opened['key']}"
    assert ask("GET", f"{url}/masks/0")[0] == 404
    assert ask("POST", f"{url}/mask", {"index": 0, "png": base64.b64encode(out.getvalue()).decode()})[0] == 200
    assert ask("GET", f"{url}/masks/0")[0] == 200 and (folder / "a-mask.png").is_file()
    assert ask("POST", f"{url}/mask", {"index": 0, "png": ""})[0] == 200 and not (folder / "a-mask.png").exists()
    assert ask("POST", f"{url}/leave_out", {"indices": [1], "leave_out": True})[0] == 200
    rows = json.loads(ask("POST", ROOT, {"prompt": prompt(), "node": "1"})[1])["rows"]
    assert [row["left_out"] for row in rows] == [False, True]


@pytest.mark.parametrize(("widgets", "said"), [
    ({"folder": "../secret"}, "not a folder"), ({"folder": "dogs/../../secret"}, "not a folder"), ({"folder": ""}, "empty"),
    ({"folder": ["3", 0]}, "folder of Load Dataset is wired"), ({"caption_extension": "/../x"}, "caption_extension"),
    ({"repeats": None, "folder": "nowhere"}, "not a folder"), ({"strange": 1, "folder": "\0"}, "character"),
])
def test_only_folders_that_a_graph_may_name_are_opened(ask, folder, tmp_path, widgets, said):
    save(tmp_path / "secret" / "a.png")
    status, body = ask("POST", ROOT, {"prompt": prompt(**widgets), "node": "1"})
    assert status == 400 and said in json.loads(body)["error"] and str(tmp_path) not in body.decode()


def test_a_path_outside_is_refused_where_the_network_reaches_comfyui(ask, folder, comfy, tmp_path, monkeypatch):
    monkeypatch.setattr(comfy.module("pack.host.runs.paths").args, "listen", "0.0.0.0")
    save(tmp_path / "secret" / "a.png")
    status, body = ask("POST", ROOT, {"prompt": prompt(folder=str(tmp_path / "secret")), "node": "1"})
    assert status == 400 and "lies outside" in json.loads(body)["error"]


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_out_of_the_folder_is_neither_shown_nor_read(ask, folder, tmp_path):
    secret = save(tmp_path / "secret.png")
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "linked.png").symlink_to(secret)
    (folder / "b.txt").symlink_to(tmp_path / "secret.txt")
    rows = json.loads(ask("POST", ROOT, {"prompt": prompt(), "node": "1"})[1])["rows"]
    assert [(row["name"], row["caption"]) for row in rows] == [("a.png", "ohwx dog, sofa"), ("b.png", "")]


@pytest.mark.parametrize("path", ["pictures/2", "pictures/-1", "pictures/a.png", "pictures/..%2f..%2fa.png", "pictures/9999999999",
                                  "masks/7", "pictures/0?kind=/etc/passwd"])
def test_only_pictures_that_were_given_can_be_asked_for(ask, opened, path):
    assert ask("GET", f"{ROOT}/{opened['key']}/{path}")[0] in (400, 404)


@pytest.mark.parametrize(("edit", "body", "status"), [
    ("caption", {"index": 9, "before": [""], "text": "", "burst": ""}, 400), ("caption", {"index": "0"}, 400),
    ("caption", {"index": 0, "before": [1], "text": "", "burst": ""}, 400),
    ("caption", {"index": True, "before": [""], "text": "", "burst": ""}, 400),
    ("change", {"indices": [0], "change": {"kind": "add", "what": ""}}, 400), ("change", {"indices": ["a.png"], "change": {}}, 400),
    ("change", {"indices": [0], "change": {"kind": "add", "what": "x", "separator": "/"}}, 400),
    ("leave_out", {"indices": [-1], "leave_out": True}, 400), ("mask", {"index": 0, "png": "?"}, 400), ("undo", {}, 400), ("burn", {}, 404),
])
def test_what_cannot_be_done_is_refused_and_nothing_is_written(ask, opened, folder, edit, body, status):
    before = sorted((path.name, path.stat().st_mtime_ns) for path in folder.iterdir())
    assert ask("POST", f"{ROOT}/{opened['key']}/{edit}", body)[0] == status
    assert sorted((path.name, path.stat().st_mtime_ns) for path in folder.iterdir()) == before


def test_other_pages_and_keys_that_are_no_more_are_refused(ask, opened):
    assert ask("POST", f"{ROOT}/0123/undo", {})[0] == 410 == ask("GET", f"{ROOT}/0123/pictures/0")[0]
    foreign = {"Origin": "http://evil.example"}
    assert ask("POST", ROOT, {"prompt": prompt(), "node": "1"}, **foreign)[0] == 403
    assert ask("GET", f"{ROOT}/{opened['key']}/pictures/0", None, **foreign)[0] == 403
    assert ask("POST", ROOT, {"prompt": prompt(), "node": "2"})[0] == 400
