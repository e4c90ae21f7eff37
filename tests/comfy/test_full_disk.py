"""A disk that refuses, in a real ComfyUI: what was learned goes on through the outputs, and a name that cannot work trains nothing."""

import json

import pytest
from safetensors.torch import load_file

from pack.tests.comfy.graphs import node, place_pictures, train_graph
from pack.tests.comfy.inprocess import NodeFailed
from pack.tests.training.unreliable_disk import Disk


def test_a_full_disk_stops_the_run_and_save_lora_writes_what_it_learned(comfy, run_prompt, sd15_checkpoint, monkeypatch):
    folder = place_pictures(comfy)
    whole = run_prompt(train_graph(sd15_checkpoint, folder, run_name="fits", steps=2)).value("train", 2)
    disk = Disk(monkeypatch)
    disk.refuses = lambda name: name.endswith((".safetensors", ".state")) and not name.startswith("kept")
    graph = train_graph(sd15_checkpoint, folder, run_name="full", steps=4, save_every_n_steps=2)
    graph["save"] = node("LoRACanvasSaveLoRA", lora=["train", 2], filename="kept", dtype="fp32")
    result = run_prompt(graph)
    kept = load_file(result.value("save"))
    assert kept.keys() == whole.keys() and all(tensor.equal(whole[name]) for name, tensor in kept.items())
    record = json.loads((comfy.base / "output" / "lora_canvas" / "full" / "run.json").read_text())
    assert (record["status"], record["step"], record["lora_path"]) == ("stopped: disk full", 2, None)
    assert not [path.name for path in (comfy.base / "output" / "lora_canvas" / "full").rglob(".*")]
    assert record["missing"][-1] == "the state of step 2 (there is none)"


@pytest.mark.parametrize(("name", "told"), [("x" * 225, "run_name is too long"), ("y" * 300, "path too long")])
def test_a_name_that_is_too_long_is_refused_and_leaves_nothing(comfy, run_prompt, sd15_checkpoint, name, told):
    with pytest.raises(NodeFailed, match=told):
        run_prompt(train_graph(sd15_checkpoint, place_pictures(comfy), run_name=name, steps=2))
    assert not list((comfy.base / "output" / "lora_canvas").glob(f"{name[:9]}*"))
