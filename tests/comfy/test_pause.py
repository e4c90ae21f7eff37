"""Pause and Cancel: no node behind Train LoRA is run, and what was learned lies where a person looks for it."""

import copy
import json
import logging

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file

from pack.tests.comfy.graphs import node, sample_graph, train_graph
from pack.tests.comfy.inprocess import PromptInterrupted

#: So many steps that a button pressed at the eighth, of which the page hears a little later, is pressed before the end.
LONG = 40


@pytest.fixture(scope="module")
def folder(comfy) -> str:
    """Two small pictures."""
    path = comfy.base / "input" / "paused"
    path.mkdir()
    for i in range(2):
        Image.fromarray(np.full((64, 64, 3), 90 * i, np.uint8)).save(path / f"{i}.png")
        (path / f"{i}.txt").write_text(f"picture {i}")
    return path.name


def graph_of(checkpoint: str, folder: str, **train) -> dict:
    made = train_graph(checkpoint, folder, **train)
    made["buckets"]["inputs"]["resolution"] = 64
    return made


@pytest.fixture
def pressed(comfy, run_prompt):
    """Runs a graph, and presses Pause or Cancel after a step: the events of the prompt, which ends there."""
    runs = comfy.module("pack.host.runs.registry").RUNS

    def press(graph: dict, button: str, step: int = 2, executor=None) -> list:
        def look(name, data):
            if name == "lora_canvas.run" and any(record.get("step") == step for record in data["records"] if record["event"] == "step"):
                comfy.interrupt() if button == "cancel" else runs.find(data["run"]).control.request_pause()

        with pytest.raises(PromptInterrupted) as caught:
            run_prompt(graph, executor=executor, on_event=look)
        assert caught.value.node_id == "train"
        return caught.value.events

    return press


@pytest.mark.parametrize("button", ["pause", "cancel"])
def test_nothing_behind_is_run_and_the_log_says_where_the_lora_is(comfy, pressed, sd15_checkpoint, folder, caplog, button):
    name = f"ended by {button}"
    graph = graph_of(sd15_checkpoint, folder, run_name=name, steps=500)
    graph |= {"save": node("LoRACanvasSaveLoRA", lora=["train", 2], filename=name, dtype="fp16")}
    with caplog.at_level(logging.INFO):
        events = pressed({**graph, **sample_graph(["train", 0], ["train", 1], ["load", 2])}, button)
    begun = {data["node"] for event, data in events if event == "executing"}
    assert "train" in begun and not begun & {"save", "sampled", "picture", "shown"}
    assert not (comfy.base / "models" / "loras" / f"{name}.safetensors").exists()

    run = comfy.base / "output" / "lora_canvas" / name
    record = json.loads((run / "run.json").read_text())
    assert record["status"] == {"pause": "paused", "cancel": "cancelled"}[button] and 2 <= record["step"] < 500
    listed = f"{name}/{name}.safetensors"
    assert f"in the list of LoraLoader as {listed}; no node behind Train LoRA was run" in caplog.text
    assert listed in comfy.folder_paths.get_filename_list("loras")
    assert load_file(run / f"{name}.safetensors") and (run / "state" / "training.state").is_file()


def _trained(result) -> tuple[str, list[str]]:
    """The run's folder, and what it said of going on."""
    records = [record for data in result.events_named("lora_canvas.run") for record in data["records"]]
    said = [record["text"] for record in records if record["event"] == "message" and record["topic"] == "going on"]
    return result.value("train", 6).rsplit("/", 1)[1], said


def test_run_again_goes_on_where_nothing_was_changed(comfy, run_prompt, pressed, sd15_checkpoint, folder):
    """The empty resume of an old prompt means auto; the file is that of a run that never stopped. Then Run has nothing to do; 'new'
    always has."""
    executor = comfy.new_executor()
    graph = graph_of(sd15_checkpoint, folder, run_name="never paused", steps=LONG)
    whole = run_prompt(graph).value("train", 2)
    graph["train"]["inputs"] |= {"run_name": "auto", "resume": ""}
    pressed(graph, "pause", executor=executor)
    pressed(graph, "cancel", 8, executor=executor)
    graph["train"]["inputs"] |= {"memory": "least"}
    result = run_prompt(graph, executor=executor)
    name, said = _trained(result)
    assert name == "auto" and said[0].startswith("goes on with the run 'auto': it waits, and no setting was changed.")
    assert result.outputs["train"]["lora_canvas"] == [{"run": "auto", "reason": "finished", "step": LONG, "again": False}]
    lora = result.value("train", 2)
    assert lora.keys() == whole.keys() and all((lora[key] == whole[key]).all() for key in whole)

    assert "train" in run_prompt(copy.deepcopy(graph), executor=executor).events_named("execution_cached")[0]["nodes"]
    graph = graph_of(sd15_checkpoint, folder, run_name="auto", steps=1, resume="New")
    for expected in ("auto_2", "auto_3"):  # ComfyUI writes its fingerprints into a prompt
        assert _trained(run_prompt(copy.deepcopy(graph), executor=executor)) == (expected, [])


def test_anything_else_is_a_new_run(comfy, run_prompt, pressed, sd15_checkpoint, folder):
    """A setting of another node that may change when a run is resumed by its name, another node, an edited caption."""
    graph = graph_of(sd15_checkpoint, folder, run_name="waits", steps=LONG // 2)
    pressed(graph, "pause", 1)
    before = graph["optimizer"]["inputs"]
    graph["optimizer"]["inputs"] = {**before, "learning_rate": 2e-3}
    assert _trained(run_prompt(graph)) == ("waits_2", [])
    graph["optimizer"]["inputs"] = before
    other = {**graph, "another": graph["train"]}
    del other["train"]
    assert run_prompt(other).value("another", 6).rsplit("/", 1)[1].startswith("waits_")

    caption = next((comfy.base / "input" / folder).rglob("*.txt"))
    kept = caption.read_text()
    caption.write_text("something else")
    try:
        name, said = _trained(run_prompt(graph))
    finally:
        caption.write_text(kept)
    assert name.startswith("waits_") and said[0].startswith("begins a new run: 'waits' waits, but the captions of 1 picture: ")
    assert _trained(run_prompt(graph))[0] == "waits"
