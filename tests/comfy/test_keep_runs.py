# ruff: noqa: F811
"""The routes for a run after it: what they do, and what they refuse."""

import os
import shutil
from urllib.parse import quote

import pytest
import torch
from safetensors.torch import save_file

from pack.tests.comfy.test_routes import FOREIGN, ask, fox, live_fox, root  # noqa: F401  fixtures
from pack.training.files.lock import locked
from pack.training.record.taken import LOCK_NAME

FOX = "/lora_canvas/runs/fox"


def lora(path, session: str, value: float = 1.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({"a": torch.full((2,), value)}, path, {"ss_session_id": session})
    return path


@pytest.fixture
def loras(comfy, tmp_path, monkeypatch):
    """An empty models/loras."""
    folder = tmp_path / "loras"
    folder.mkdir()
    folders = dict(comfy.folder_paths.folder_names_and_paths)
    monkeypatch.setattr(comfy.folder_paths, "folder_names_and_paths", {**folders, "loras": ([str(folder)], {".safetensors"})})
    return folder


def test_the_lora_comes_as_a_file(ask, fox):
    one = lora(fox / "fox.safetensors", "1").read_bytes()
    other = lora(fox / "checkpoints" / "fox-0000001.safetensors", "1", 2.0).read_bytes()
    answer = ask("GET", f"{FOX}/loras/fox.safetensors")
    assert answer.body == one
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''fox.safetensors"
    assert ask("GET", f"{FOX}/loras/checkpoints/fox-0000001.safetensors").body == other


@pytest.mark.parametrize("path", ["run.json", "state/training.state", "state/x.safetensors", "../other/other.safetensors",
                                  "checkpoints/../secret.safetensors", "/etc/passwd", "checkpoints\\x.safetensors", "out.safetensors",
                                  ".hidden.safetensors", "gone.safetensors"])
def test_nothing_else_comes(ask, fox, root, tmp_path, path):
    for hidden in (fox / "state" / "x.safetensors", root / "other" / "other.safetensors", fox / "secret" / "s.safetensors",
                   tmp_path / "out.safetensors", fox / ".hidden.safetensors"):
        lora(hidden, "1")
    (fox / "out.safetensors").symlink_to(tmp_path / "out.safetensors")
    assert ask("GET", f"{FOX}/loras/{quote(path, safe='')}").status == 404


def test_what_deleting_would_free_is_said_and_only_that_goes(ask, fox, loras):
    lora(fox / "fox.safetensors", "7")
    own, renamed = lora(loras / "fox.safetensors", "7"), lora(loras / "below" / "my fox.safetensors", "7")
    others = [lora(loras / "other.safetensors", "8"), lora(loras / "old.safetensors", "7")]
    os.utime(others[1], (1000, 1000))
    size = ask("GET", f"{FOX}/size").json
    assert size["files"] == sum(path.is_file() for path in fox.rglob("*")) and size["lora"] is True
    assert [one["file"] for one in size["saved"]] == ["below/my fox.safetensors", "fox.safetensors"]
    assert {one["bytes"] for one in size["saved"]} == {own.stat().st_size}
    kept = shutil.copytree(fox, fox.with_name("again"))
    assert ask("POST", f"{FOX}/delete", json={"saved": False}).json == {"deleted": "fox"}
    assert not fox.exists() and all(path.exists() for path in (own, renamed, *others))
    kept.rename(fox)
    assert ask("POST", f"{FOX}/delete", json={"saved": True}).status == 200
    assert not any(path.exists() for path in (fox, own, renamed)) and all(path.exists() for path in others)


def test_renamed_and_noted(ask, fox):
    assert ask("POST", f"{FOX}/note", json={"text": " better hands \n"}).json == {"note": "better hands"}
    assert ask("POST", f"{FOX}/rename", json={"to": "red fox"}).json == {"name": "red fox"}
    [run] = ask("GET", "/lora_canvas/runs").json["runs"]
    assert (run["name"], run["note"], run["status"]) == ("red fox", "better hands", "finished")
    assert ask("POST", f"{FOX}/note", json={"text": "x"}).status == 404


@pytest.mark.parametrize("to", ["../out", "a/b", "", "con", "x" * 300])
def test_no_name_leads_out(ask, fox, root, to):
    answer = ask("POST", f"{FOX}/rename", json={"to": to})
    assert answer.status == 409 and "cannot name a folder" in answer.json["error"]
    assert [path.name for path in root.iterdir()] == ["fox"]


@pytest.mark.parametrize(("action", "body"), [("rename", {"to": "x"}), ("delete", {"saved": True})])
def test_a_run_that_trains_is_left_alone(ask, fox, live_fox, action, body):
    assert "is training" in ask("POST", f"{FOX}/{action}", json=body).json["error"]
    assert fox.exists()


@pytest.mark.parametrize(("action", "body"), [("rename", {"to": "x"}), ("delete", {"saved": True})])
def test_nor_one_that_another_process_trains(ask, fox, action, body):
    with locked(fox / LOCK_NAME):
        answer = ask("POST", f"{FOX}/{action}", json=body)
    assert answer.status == 409 and "is being trained" in answer.json["error"]


@pytest.mark.parametrize("action", ["rename", "delete", "note", "open"])
def test_who_may_not_and_what_is_no_body(ask, fox, action):
    assert ask("POST", f"{FOX}/{action}", json={"saved": True}, headers=FOREIGN[0]).status == 403
    assert ask("POST", f"{FOX}/{action}", json={"made_up": 1}).status == 400
    assert ask("POST", f"{FOX}/{action}", data="saved=1").status == 415
    assert ask("POST", "/lora_canvas/runs/..%2Fout/delete", json={"saved": True}).status == 404
    assert fox.exists()


HERE = {"Host": "127.0.0.1:8188"}


@pytest.mark.parametrize(("headers", "status"), [
    (HERE, 200), ({"Host": "localhost"}, 200), ({"Host": "[::1]:8188"}, 200), ({**HERE, "X-Forwarded-For": "10.0.0.9"}, 403),
    ({**HERE, "Forwarded": "for=10.0.0.9"}, 403), ({"Host": "my-box.example:8188"}, 403),
])
def test_the_folder_opens_for_this_machine_only(ask, comfy, fox, monkeypatch, headers, status):
    module = comfy.module("pack.host.panel.same_machine")
    opened = []
    monkeypatch.setattr(module, "_opener", lambda: "/bin/file manager")
    monkeypatch.setattr(module.subprocess, "Popen", lambda command, **_: opened.append(command))
    assert ask("POST", f"{FOX}/open", json={}, headers=headers).status == status
    assert opened == ([["/bin/file manager", str(fox)]] if status == 200 else [])
    assert ask("GET", "/lora_canvas/live", headers=headers).json["opens"] is (status == 200)


def test_the_address_that_it_came_from_counts(comfy):
    is_own = comfy.module("pack.host.panel.same_machine")._is_own
    addresses = ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "192.168.1.5", "::ffff:10.0.0.1", "localhost", ""]
    assert [is_own(address) for address in addresses] == [True] * 4 + [False] * 4


def test_a_server_without_a_screen_opens_nothing(ask, comfy, fox, monkeypatch):
    monkeypatch.setattr(comfy.module("pack.host.panel.same_machine"), "_opener", lambda: None)
    assert ask("POST", f"{FOX}/open", json={}).status == 409
    assert ask("GET", "/lora_canvas/live").json["opens"] is False
