"""Train LoRA and its run's folder: what fails before the first step leaves no trace, and a run belongs to one process."""

import json
import re

import pytest

from pack.tests.comfy.graphs import place_pictures, train_graph
from pack.tests.comfy.inprocess import NodeFailed, PromptInterrupted


@pytest.fixture(scope="module")
def folder(comfy) -> str:
    return place_pictures(comfy)


@pytest.fixture
def runs(comfy):
    return comfy.base / "output" / "lora_canvas"


def content(folder) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_start_that_fails_leaves_no_folder_and_a_resume_that_does_leaves_the_run(
    comfy, run_prompt, sd15_checkpoint, folder, runs, monkeypatch
):
    """Refused, cancelled while it prepares, failing in its first step: of a new run, and of one that has 2 steps."""
    from pack.host.model.denoiser import ComfyDenoiser

    def train(run_name="begun", *, on_event=None, **changes):
        graph = train_graph(sd15_checkpoint, folder, run_name=run_name, **{"steps": 2, **changes})
        return run_prompt(graph, executor=executor, on_event=on_event)

    def cancel(name, data):
        if name == "lora_canvas.run":
            comfy.interrupt()

    def out_of_memory(*_):
        raise RuntimeError("out of memory")

    executor = comfy.new_executor()
    train()
    before = content(runs / "begun")
    with pytest.raises(NodeFailed, match="Train LoRA: seed was 0, is now 1"):
        train(resume="begun", seed=1)
    for run_name, resume in (("never", ""), ("ignored", "begun")):
        with pytest.raises(PromptInterrupted):
            train(run_name, resume=resume, steps=4, on_event=cancel)
        with monkeypatch.context() as patch, pytest.raises(NodeFailed, match="out of memory"):
            patch.setattr(ComfyDenoiser, "estimate", out_of_memory)
            train(run_name, resume=resume, steps=4)
    assert content(runs / "begun") == before
    assert not list(runs.glob("never*")) and not list(runs.glob("ignored*"))
    train(resume="begun", steps=3)
    assert json.loads((runs / "begun" / "run.json").read_text())["step"] == 3


def test_a_run_that_another_process_trains_is_refused(comfy, run_prompt, sd15_checkpoint, folder, runs):
    from pack.training.files.lock import locked

    run_prompt(train_graph(sd15_checkpoint, folder, run_name="both", steps=1))
    before = content(runs / "both")
    with locked(runs / "both" / "run.lock"), pytest.raises(NodeFailed, match=re.escape("'both' is being trained already, by process ")):
        run_prompt(train_graph(sd15_checkpoint, folder, resume="both", steps=2))
    assert content(runs / "both") == before
