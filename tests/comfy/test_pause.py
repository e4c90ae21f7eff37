"""Pause and Cancel: no node behind Train LoRA is run, and what was learned lies where a person looks for it."""

import json
import logging

import pytest
from safetensors.torch import load_file

from pack.tests.comfy.graphs import node, place_pictures, sample_graph, train_graph
from pack.tests.comfy.inprocess import PromptInterrupted


@pytest.fixture(scope="module")
def folder(comfy) -> str:
    return place_pictures(comfy)


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
    graph = train_graph(sd15_checkpoint, folder, run_name=name, steps=500)
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
    assert load_file(run / f"{name}.safetensors") and (run / "state" / "state.safetensors").is_file()
