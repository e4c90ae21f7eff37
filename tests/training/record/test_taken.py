"""A run's folder: one process at a time, and gone again when no step was done."""

import json
import os

import pytest

from pack.training.errors import DiskError, StateError
from pack.training.files import lock
from pack.training.record.records import SAMPLES_FOLDER, THUMBNAILS_FOLDER, sample_file, thumbnail_file
from pack.training.record.taken import LOCK_NAME, held, new_folder


def names(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def killed(folder):
    """What a process that is gone held."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / LOCK_NAME).write_text(json.dumps({**vars(lock.here()), "pid": 2**31 - 2}))


def sample(folder, step=0):
    for where, name in ((SAMPLES_FOLDER, sample_file(step, 1)), (THUMBNAILS_FOLDER, thumbnail_file(sample_file(step, 1)))):
        (folder / where).mkdir(parents=True, exist_ok=True)
        (folder / where / name).touch()


def test_a_start_that_fails_takes_no_name(tmp_path):
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), new_folder(tmp_path, "oops") as folder:
            assert folder == tmp_path / "oops" and folder.is_dir()
            sample(folder)
            (folder / "state").mkdir()
            1 / 0  # noqa: B018
    assert names(tmp_path) == []


def test_a_name_that_is_taken_elsewhere_is_not_taken_here(tmp_path):
    with new_folder(tmp_path, "lora", lambda name: name in ("lora", "lora_2")) as folder:
        assert folder.name == "lora_3"


@pytest.mark.parametrize("file", ["run.json", "oops.safetensors", "state/training.state", "samples/step_000001_00.png", "mine.txt"])
def test_what_a_step_or_a_person_left_stays(tmp_path, file):
    with new_folder(tmp_path, "oops") as folder:
        sample(folder)
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_text("{}")
    assert {file, f"{SAMPLES_FOLDER}/{sample_file(0, 1)}"} <= set(names(tmp_path / "oops"))
    with new_folder(tmp_path, "oops") as second:
        assert second == tmp_path / "oops_2"
    assert [path.name for path in tmp_path.iterdir()] == ["oops"]


def test_folders_and_files_of_others_keep_their_names(tmp_path):
    (tmp_path / "oops").mkdir()
    (tmp_path / "oops_2").touch()
    with new_folder(tmp_path, "oops") as folder, new_folder(tmp_path, "oops") as beside:
        assert (folder.name, beside.name) == ("oops_3", "oops_4")
    assert names(tmp_path) == ["oops", "oops_2"]


def test_a_start_that_was_killed_takes_no_name_either(tmp_path):
    killed(tmp_path / "oops")
    sample(tmp_path / "oops")
    (tmp_path / "oops" / ".run.json.123.part").touch()
    with new_folder(tmp_path, "oops") as folder:
        assert folder.name == "oops"
    assert names(tmp_path) == []
    killed(tmp_path / "oops")
    sample(tmp_path / "oops", step=10)
    with new_folder(tmp_path, "oops") as folder:
        assert folder.name == "oops_2"


@pytest.mark.parametrize(("name", "folder"), [("a/b", "a_b"), ("..", "lora"), ("", "lora"), ("CON?", "CON_"), (" x. ", "x")])
def test_names_become_those_of_files(tmp_path, name, folder):
    with new_folder(tmp_path, name) as made:
        assert made == tmp_path / folder


def test_the_second_is_refused_by_the_name_of_the_first(tmp_path):
    with held(tmp_path), pytest.raises(StateError, match=f"being trained already, by process {os.getpid()} on '"), held(tmp_path):
        pass
    killed(tmp_path)
    with held(tmp_path):
        assert names(tmp_path) == [LOCK_NAME]
    assert names(tmp_path) == []


def test_where_nothing_can_be_written_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DiskError, match="could not be written: folder gone"), new_folder(tmp_path / "file", "run"):
        pass
    with pytest.raises(DiskError, match="could not be written: folder gone"), held(tmp_path / "gone"):
        pass
