# ruff: noqa: F811
"""Pictures brought into the input folder: what is there, what would happen, and what is never done."""

import unicodedata

import pytest

from pack.tests.comfy.test_routes import FOREIGN, ask  # noqa: F401  a fixture

INPUTS = "/lora_canvas/inputs"
BINARY = {"Content-Type": "application/octet-stream"}


@pytest.fixture
def input_folder(comfy, tmp_path, monkeypatch):
    folder = tmp_path / "input"
    folder.mkdir()
    monkeypatch.setattr(comfy.folder_paths, "input_directory", str(folder))
    monkeypatch.delenv("LORA_CANVAS_DATASET_ROOTS", raising=False)
    return folder


@pytest.fixture
def send(ask, input_folder):
    def post(file, data=b"12345", folder="dogs", headers=BINARY, **query):
        params = {"folder": folder, "file": file, "size": str(len(data)), **query}
        return ask("POST", f"{INPUTS}/file", params=params, data=data, headers=headers)

    return post


def files_of(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_the_folders_that_are_there(ask, input_folder, tmp_path):
    for name in ("dogs/10_sks dog/a.PNG", "dogs/10_sks dog/a.txt", "dogs/b.webp", "dogs/c.mp4", "clipspace/x.png", ".hidden/x.png",
                 "Кошки/a.jpg", "notes/a.txt", "x.png", "1/2/3/4/5/a.png"):
        path = input_folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a.png").write_bytes(b"x")
    (input_folder / "linked").symlink_to(tmp_path / "outside")
    answer = ask("GET", INPUTS).json
    assert [(one["name"], one["pictures"]) for one in answer["folders"]] == [
        ("1", 1), ("1/2", 1), ("1/2/3", 1), ("dogs", 3), ("dogs/10_sks dog", 1), ("Кошки", 1)]
    assert (answer["most_files"], answer["most_bytes"]) == (10_000, 20 << 30) and answer["free"] > 0


def test_what_sending_would_do_is_said_before(ask, input_folder):
    (input_folder / "dogs").mkdir()
    (input_folder / "dogs" / "same.png").write_bytes(b"12345")
    (input_folder / "dogs" / "other.txt").write_bytes(b"1")
    files = [["new.png", 100], ["same.png", 5], ["other.txt", 5], ["tool.exe", 5], ["../out.png", 5], ["metadata.csv", 7],
             ["sub/小狗.txt", 3]]
    answer = ask("POST", f"{INPUTS}/look", json={"folder": "dogs", "files": files}).json
    assert answer["states"] == ["new", "same", "other", "refused", "refused", "new", "new"]
    assert (answer["bytes"], answer["problem"]) == (115, "")
    assert files_of(input_folder) == ["dogs/other.txt", "dogs/same.png"]


@pytest.mark.parametrize(("files", "problem"), [
    ([["a.exe", 1]], "no picture, video or caption"), ([], "no picture, video or caption"),
    ([[f"{number}.png", 1] for number in range(10_001)], "10,001 files; at most 10,000"),
    ([["a.mp4", 15 << 30], ["b.mp4", 6 << 30]], "21.0 GB; at most 20 GB"),
], ids=["wrong kind", "nothing", "too many", "too large"])
def test_limits_are_said_before(ask, input_folder, files, problem):
    assert problem in ask("POST", f"{INPUTS}/look", json={"folder": "dogs", "files": files}).json["problem"]


def test_a_full_disk_is_said_before(ask, send, comfy, input_folder, monkeypatch):
    module = comfy.module("pack.host.runs.input_folders")
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: type("Usage", (), {"free": (1 << 30) + 4}))
    assert "free" in ask("POST", f"{INPUTS}/look", json={"folder": "dogs", "files": [["a.png", 5]]}).json["problem"]
    assert send("a.png").status == 409 and files_of(input_folder) == []


def test_pictures_and_captions_keep_their_names(send, input_folder):
    names = ["10_пёс/собака 1.png", "10_пёс/собака 1.txt", "小狗.webp", "metadata.jsonl", "é.png"]
    for name in names:  # a Mac sends letters and their accents apart
        assert send(unicodedata.normalize("NFD", name), folder="Hündin").status == 200
    assert files_of(input_folder / "Hündin") == sorted(unicodedata.normalize("NFC", name) for name in names)


def test_nothing_is_written_over_unasked(send, input_folder):
    assert send("a.png", b"first").status == 200
    refused = send("a.png", b"other")
    assert refused.status == 409 and "is there already" in refused.json["error"]
    assert (input_folder / "dogs" / "a.png").read_bytes() == b"first"
    assert send("a.png", b"other", replace="1").status == 200
    assert (input_folder / "dogs" / "a.png").read_bytes() == b"other"
    assert files_of(input_folder) == ["dogs/a.png"]


@pytest.mark.parametrize(("file", "folder"), [
    ("../out.png", "dogs"), ("/etc/x.png", "dogs"), ("a/../../../out.png", "dogs"), ("..\\out.png", "dogs"), ("C:\\x.png", "dogs"),
    ("a.png", ".."), ("a.png", "../out"), ("a.png", "/outside"), ("a.png", ""), ("a.png", "clipspace"), ("a.png", "linked"),
    ("linked/a.png", "dogs"), ("nul.png", "dogs"), ("a.svg", "dogs"), ("a.html", "dogs"), ("readme.csv", "dogs"), (".png", "dogs"),
    ("a\0.png", "dogs"), ("x" * 250 + ".png", "dogs"), ("a.png", "a.file"),
])
def test_no_name_leads_out(send, input_folder, tmp_path, file, folder):
    outside = tmp_path / "outside"
    outside.mkdir()
    (input_folder / "dogs").mkdir()
    (input_folder / "a.file").write_bytes(b"x")
    for link in (input_folder / "linked", input_folder / "dogs" / "linked"):
        link.symlink_to(outside)
    assert send(file, folder=folder).status == 409
    assert list(tmp_path.rglob("*.png")) == [] and list(outside.iterdir()) == []


def test_half_a_file_is_none(send, input_folder):
    for said in ("4", "6"):
        assert send("a.png", size=said).status == 409
    assert files_of(input_folder) == []
    assert send("a.png", size="-1").status == 400 and send("a.png", replace="yes").status == 400


def test_who_may_not_send(send, ask, input_folder):
    assert send("a.png", headers={**BINARY, **FOREIGN[0]}).status == 403
    assert send("a.png", headers={"Content-Type": "text/plain"}).status == 415
    assert ask("GET", INPUTS, headers=FOREIGN[0]).status == 403
    for wrong in ({}, {"folder": "a", "files": [["a.png"]]}, {"folder": "a", "files": [["a.png", -1]]}, {"folder": 1, "files": []}):
        assert ask("POST", f"{INPUTS}/look", json=wrong).status == 400
    assert ask("POST", f"{INPUTS}/look", json={"folder": "..", "files": []}).status == 400
    assert list(input_folder.iterdir()) == []
