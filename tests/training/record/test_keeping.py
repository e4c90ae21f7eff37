"""A run's folder noted, renamed and deleted."""

import json

import pytest

from pack.training.errors import DiskError, StateError
from pack.training.files.lock import locked
from pack.training.record.history import read_log
from pack.training.record.keeping import LONGEST_NOTE, delete_run, read_note, rename_run, size_of, write_note
from pack.training.record.run_json import read_run
from pack.training.record.taken import LOCK_NAME

SAVED = {"event": "saved", "step": 4, "kind": "lora", "file": "kept fox.safetensors"}
BEST = {"event": "saved", "step": 4, "kind": "best", "file": "kept fox-best.safetensors"}
MESSAGE = {"event": "message", "level": "info", "topic": "saved", "text": 'wrote "kept fox.safetensors"', "step": 4}
ENDED = {"event": "ended", "reason": "finished", "step": 4, "total_steps": 4, "lora": "kept fox.safetensors", "seconds": 1.0, "error": None}


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "runs" / "kept fox"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "kept fox.safetensors").write_bytes(b"12345")
    (folder / "checkpoints" / "kept fox-best.safetensors").write_bytes(b"123")
    (folder / "log.jsonl").write_text("".join(json.dumps(one) + "\n" for one in (SAVED, BEST, MESSAGE, ENDED)))
    about = {"name": "kept fox", "status": "finished", "lora_path": str(folder / "kept fox.safetensors"), "step": 4}
    (folder / "run.json").write_text(json.dumps(about))
    return folder


def test_a_note_is_kept_changed_and_taken_away(run):
    assert read_note(run) == ""
    write_note(run, "  第二次：学习率减半\n")
    assert read_note(run) == "第二次：学习率减半"
    with pytest.raises(StateError, match="may have 2,000"):
        write_note(run, "x" * (LONGEST_NOTE + 1))
    write_note(run, "")
    assert not (run / "note.txt").exists()


def test_a_renamed_run_is_the_same_with_its_lora(run):
    renamed = rename_run(run, "狐狸 v1.5")
    assert not run.exists() and renamed.name == "狐狸 v1.5"
    assert sorted(path.name for path in renamed.rglob("*.safetensors")) == ["kept fox-best.safetensors", "狐狸 v1.5.safetensors"]
    assert not (renamed / LOCK_NAME).exists()
    about = read_run(renamed)
    assert (about["name"], about["status"], about["lora_path"]) == ("狐狸 v1.5", "finished", str(renamed / "狐狸 v1.5.safetensors"))
    new = "狐狸 v1.5.safetensors"
    assert read_log(renamed) == [{**SAVED, "file": new}, BEST, MESSAGE, {**ENDED, "lora": new}]


def test_where_the_folder_cannot_be_renamed_nothing_is(run, monkeypatch):
    def held(*_):
        raise PermissionError(13, "a program has a file of it open")

    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    monkeypatch.setattr("os.replace", held)
    with pytest.raises(DiskError):
        rename_run(run, "another")
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("name", ["", " ", "..", "a/b", "a\\b", "../out", "a:b", "nul", "x" * 101, ".hidden", "taken"])
def test_names_that_cannot_be(run, name):
    (run.parent / "taken").mkdir()
    before = sorted(path.name for path in run.parent.iterdir())
    with pytest.raises(StateError):
        rename_run(run, name)
    assert sorted(path.name for path in run.parent.iterdir()) == before and (run / "kept fox.safetensors").exists()


def test_what_deleting_frees(run, tmp_path):
    outside = tmp_path / "outside.bin"
    outside.write_bytes(b"x" * 1000)
    (run / "link").symlink_to(outside)
    size = size_of(run)
    real = sum(path.stat().st_size for path in run.rglob("*") if path.is_file() and not path.is_symlink())
    assert (size.files, size.bytes, size.lora) == (5, real, True)
    delete_run(run)
    assert not run.exists() and outside.exists()


def test_one_that_trains_stays(run):
    with locked(run / LOCK_NAME):
        for touch in (lambda: delete_run(run), lambda: rename_run(run, "elsewhere")):
            with pytest.raises(StateError, match="is being trained, by process"):
                touch()
    assert (run / "kept fox.safetensors").exists() and not run.with_name("elsewhere").exists()


def test_a_link_is_not_followed(run, tmp_path):
    link = tmp_path / "linked"
    link.symlink_to(run)
    with pytest.raises(StateError, match="is a link"):
        delete_run(link)
    assert run.exists()
