"""Which folders a graph may name, from this machine and from the network."""

import os
from pathlib import Path

import pytest

from pack.host.runs.folder_rules import is_loopback, named_roots, resolve_folder
from pack.training.errors import SettingsError


@pytest.mark.parametrize("listen", ["127.0.0.1", "127.0.0.2,127.1.2.3", "localhost", "::1", "[::1]", "127.0.0.1, ::1"])
def test_loopback(listen):
    assert is_loopback(listen)


@pytest.mark.parametrize("listen", ["0.0.0.0,::", "0.0.0.0", "::", "192.168.1.5", "127.0.0.1,192.168.1.5", "example.org", "", ","])
def test_not_loopback(listen):
    assert not is_loopback(listen)


def test_named_roots(tmp_path):
    value = os.pathsep.join([str(tmp_path), "relative", "", str(tmp_path / "a" / "..")])
    assert named_roots(value) == [tmp_path, tmp_path]


@pytest.fixture
def roots(tmp_path) -> list[Path]:
    for name in ("input/dogs", "input/cats", "datasets/dogs", "datasets/birds/small", "outside/secret"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "input" / "out").symlink_to(tmp_path / "outside")
    return [tmp_path / "input", tmp_path / "datasets"]


def resolve(text, roots, trusted=False):
    return resolve_folder(text, roots, trusted=trusted, node="Load Dataset", widget="folder")


def refusal(text, roots, trusted=False) -> str:
    with pytest.raises(SettingsError) as caught:
        resolve(text, roots, trusted)
    return str(caught.value)


@pytest.mark.parametrize("trusted", [True, False])
def test_relative_names_are_looked_up_in_order(roots, trusted):
    assert resolve("dogs", roots, trusted) == roots[0] / "dogs"
    assert resolve(' "birds/small" ', roots, trusted) == roots[1] / "birds" / "small"
    assert resolve(str(roots[1] / "birds"), roots, trusted) == roots[1] / "birds"


def test_absolute_paths_only_from_this_machine(roots, tmp_path):
    outside = tmp_path / "outside"
    assert resolve(str(outside), roots, trusted=True) == outside
    assert "LORA_CANVAS_DATASET_ROOTS" in refusal(str(outside), roots)
    assert resolve(str(outside / "secret"), [*roots, outside]) == outside / "secret"


def test_strangers_learn_nothing_about_the_disk(roots, tmp_path):
    there, missing = refusal(str(tmp_path / "outside"), roots), refusal(str(tmp_path / "nothing"), roots)
    assert there.replace("outside'", "nothing'") == missing


@pytest.mark.parametrize("text", ["../outside", "dogs/../../outside", "out", "out/secret", "..", "~"])
def test_no_way_out_of_the_roots(roots, text):
    refusal(text, roots)
    refusal(str(roots[0] / text), roots)


def test_a_link_that_the_owner_made_works_on_this_machine(roots, tmp_path):
    assert resolve("out", roots, trusted=True) == tmp_path / "outside"


def test_errors_say_what_there_is(roots):
    assert "Did you mean 'dogs'" in refusal("dogz", roots)
    assert "cats" in refusal("", roots) and "empty" in refusal(" ' ' ", roots)
    assert "Load Dataset: folder" in refusal("a\0b", roots)
    assert "is not a folder on the machine" in refusal("/no/such/folder", roots, trusted=True)
    refusal("x" * 5000, roots)


def test_a_file_is_no_folder(roots):
    (roots[0] / "file").write_text("")
    refusal("file", roots, trusted=True)
    refusal(str(roots[0] / "file"), roots)


def test_folders_that_comfyui_made_are_nobodys_pictures(roots):
    for name in ("3d", "clipspace"):
        (roots[0] / name).mkdir()
    said = refusal("dogz", roots) + refusal("", roots)
    assert "3d" not in said and "clipspace" not in said
    assert resolve("3d", roots) == roots[0] / "3d"  # whoever names it means it
