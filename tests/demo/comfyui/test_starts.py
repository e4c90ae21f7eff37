"""A ComfyUI that does not start is told with what is missing and the one line that helps."""

import sys

from pack.demo.comfyui.starts import explain, trouble

ENDED = "ComfyUI ended with code 1. Its log ends:\nTraceback (most recent call last):\n"


def test_a_missing_module_and_what_else_is_missing(tmp_path):
    text = explain(tmp_path, ENDED + "ModuleNotFoundError: No module named 'comfy_aimdo.control'\n", ["requests", "comfy_aimdo", "yaml"])
    assert text.startswith(ENDED)
    assert f"ComfyUI in {tmp_path} does not start with {sys.executable}: this Python lacks requests, comfy_aimdo, yaml." in text
    assert text.endswith(f"{sys.executable} -m pip install requests comfy-aimdo PyYAML")


def test_a_module_that_the_scan_did_not_see(tmp_path):
    assert explain(tmp_path, ENDED + "ModuleNotFoundError: No module named 'late'\n", []).endswith("pip install late")


def test_a_module_of_comfyui_itself_is_not_asked_of_pip(tmp_path):
    (tmp_path / "comfy").mkdir()
    text = explain(tmp_path, ENDED + "ModuleNotFoundError: No module named 'comfy.sd'\n", [])
    assert "no module is missing" in text and text.endswith(f'pip install -r "{tmp_path / "requirements.txt"}"')


def test_one_that_cannot_be_imported(tmp_path):
    (tmp_path / "main.py").write_text("import there_is_no_such_module\n")
    text = trouble(tmp_path)
    assert "this Python lacks there_is_no_such_module." in text
    assert text.endswith(f"{sys.executable} -m pip install there-is-no-such-module")


def test_the_real_one_starts(comfyui_path):
    assert trouble(comfyui_path) is None
