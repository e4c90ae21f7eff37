"""A workflow file without a browser: what is run, and what a script is told."""

import json
import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pack.demo.tiny import checkpoints
from pack.training.processes.processes import Processes

from .graphs import DEMO, train_graph
from .object_info import object_info
from .shipped_prompts import WORKFLOWS, workflow

SCRIPT = Path(__file__).resolve().parents[2] / "headless.py"


@pytest.fixture
def headless(comfy):
    return comfy.module("pack.host.headless.run")


@pytest.mark.parametrize("name", sorted(path.stem for path in WORKFLOWS.glob("*.json")))
def test_a_file_of_the_canvas_is_the_prompt_that_the_server_would_get(headless, comfy, name):
    prompt, kept, _ = headless.prepared(WORKFLOWS / f"{name}.json", [])
    from pack.host.headless.workflow import to_api

    assert prompt == to_api(workflow(name), object_info(comfy)) and kept == workflow(name)


def test_a_prompt_is_taken_as_it_is_but_for_what_is_set(headless, tmp_path):
    file = tmp_path / "prompt.json"
    file.write_text(json.dumps(train_graph("x.safetensors", "lcfox")))
    prompt, kept, _ = headless.prepared(file, ["Train LoRA.steps=7", "LoRACanvasOptimizer.learning_rate=2e-3"])
    wanted = train_graph("x.safetensors", "lcfox", steps=7)
    wanted["optimizer"]["inputs"]["learning_rate"] = 0.002
    assert (prompt, kept) == (wanted, None)


@pytest.mark.parametrize(
    ("content", "told"),
    [("{", "cannot be read as JSON"), ("[]", "holds no workflow"), ("{}", "neither"), ('{"1": {"class_type": "Nobodys"}}', "'Nobodys'"),
     ('{"1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "none.safetensors"}}}', "no outputs")],
)
def test_what_cannot_be_run_is_told_and_has_an_exit_code(headless, tmp_path, capsys, content, told):
    file = tmp_path / "bad.json"
    file.write_text(content)
    assert headless.run(file, []) == 2
    assert told in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("failure", "was_stopped", "code", "of_several"),
    [(None, False, 0, 0), ("Train LoRA: broken", False, 1, 1), (None, True, 130, 0), ("stopped in x", True, 130, 0)],
)
def test_how_it_ended_is_an_exit_code(headless, monkeypatch, capsys, failure, was_stopped, code, of_several):
    ending = headless.Ending(failure, was_stopped)

    def carried_out(prompt, workflow, on_event, tell):
        on_event("lora_canvas.run", {"run": "my_lora", "node": "9", "records": []})
        return ending

    monkeypatch.setattr(headless, "prepared", lambda *_: ({}, None, {}))
    monkeypatch.setattr(headless, "carried_out", carried_out)
    assert headless.run(Path("w.json"), []) == code
    said = capsys.readouterr()
    assert said.err.strip() == (failure or "") and "my_lora" in said.out

    class Two(Processes):
        size = 2

    monkeypatch.setattr(headless, "joined", Two)
    assert headless.run(Path("w.json"), []) == of_several


def test_its_own_folder_is_off_the_path_in_every_process(monkeypatch):
    """Under a launcher, and where a process that it started imports it anew: the pack's `nodes` must not hide ComfyUI's."""
    monkeypatch.setattr(sys, "path", ["", str(SCRIPT.parent), f"{SCRIPT.parent}/tests/..", *sys.path])
    monkeypatch.chdir(SCRIPT.parent)
    runpy.run_path(str(SCRIPT), run_name="__mp_main__")
    assert SCRIPT.parent not in [Path(entry or ".").resolve() for entry in sys.path]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT for one process on Windows")
def test_it_trains_alone_and_saves_on_ctrl_c(comfyui_path, tmp_path, cache_folder):
    for folder in ("models/checkpoints", "input", "custom_nodes"):
        (tmp_path / folder).mkdir(parents=True)
    checkpoint = checkpoints.make("sd15", cache_folder / "checkpoints")
    (tmp_path / "models" / "checkpoints" / checkpoint.name).symlink_to(checkpoint)
    (tmp_path / "input" / "lcfox").symlink_to(DEMO)
    file = tmp_path / "prompt.json"
    file.write_text(json.dumps({**train_graph(checkpoint.name, "lcfox"), "shown": {
        "class_type": "PreviewImage", "inputs": {"images": ["train", 4]}}}))
    command = [sys.executable, str(SCRIPT), str(file), "--set", "Train LoRA.steps=100000", "--comfyui", str(comfyui_path),
               "--", "--cpu", "--base-directory", str(tmp_path), "--disable-api-nodes"]
    with subprocess.Popen(command, cwd=SCRIPT.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env={**os.environ, "PYTHONIOENCODING": "utf-8"}) as process:
        run = tmp_path / "output" / "lora_canvas" / "lora"
        log = run / "log.jsonl"
        while process.poll() is None and not (log.is_file() and '"step"' in log.read_text(encoding="utf-8")):
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=120)[0]
    assert process.returncode == 130, said
    assert f"Run folder: {run}" in said and "Stopping after this step" in said
    assert (run / "lora.safetensors").is_file() and (run / "state" / "training.state").is_file()
    assert json.loads((run / "run.json").read_text(encoding="utf-8"))["status"] == "paused"
