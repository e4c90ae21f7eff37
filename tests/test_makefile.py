"""What `make setup` would do: everything for an environment of its own, next to nothing to a user's."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")


@pytest.fixture
def comfyui(tmp_path) -> Path:
    (tmp_path / "comfyui").mkdir()
    (tmp_path / "comfyui" / "main.py").touch()
    return tmp_path / "comfyui"


def make(root: Path, *arguments: str) -> subprocess.CompletedProcess:
    # Under `make test` the variables of that make would reach this one.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "--no-print-directory", "-C", str(root), "setup", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def plan(root: Path, *arguments: str) -> list[str]:
    """The commands of `make setup` on a machine where nothing is done yet; none is run."""
    answer = make(root, "--dry-run", "--always-make", *arguments)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.splitlines()


def test_a_users_own_comfyui_gets_our_requirements_and_is_asked_whether_it_starts(repo_root, comfyui):
    commands = plan(repo_root, f"COMFYUI_PATH={comfyui}", "PYTHON=/theirs/python")
    theirs = [command for command in commands if command.startswith("/theirs/python")]
    assert theirs == [
        "/theirs/python -m pip --disable-pip-version-check install -r requirements.txt",
        f'/theirs/python -m demo.comfyui.starts "{comfyui}"',
    ]
    assert not any("venv" in command or "pip" in command for command in commands if command not in theirs)


def test_an_environment_of_its_own_gets_all(repo_root, tmp_path):
    text = "\n".join(plan(repo_root, f"VENV={tmp_path / 'venv'}", "COMFYUI_PATH=", "PYTHON="))
    steps = (
        "-m venv", "requirements-comfyui.txt", "demo.comfyui.unpack", "install -r demo/comfyui/requirements-torch.txt",
        "comfyui-requirements.txt", "demo.comfyui.complete", "install -r requirements.txt", "demo.comfyui.starts",
    )  # fmt: skip
    places = [text.find(step) for step in steps]
    assert -1 not in places and places == sorted(places)


def test_a_comfyui_that_is_not_there_is_named(repo_root, tmp_path):
    answer = make(repo_root, f"COMFYUI_PATH={tmp_path / 'none'}", "PYTHON=/theirs/python")
    assert answer.returncode != 0
    assert f"there is no ComfyUI (no main.py) in {tmp_path / 'none'}" in answer.stderr
