"""What is trained is trained once: a Run that changes nothing of it gives the same LoRA on, whatever runs before Train LoRA."""

import copy
import shutil

import pytest
import torch

from pack.tests.comfy.graphs import node, place_pictures, train_graph


class AlwaysRuns:
    """As many nodes do that read a text or choose a folder."""

    RETURN_TYPES, FUNCTION, CATEGORY = ("STRING",), "give", ""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"text": ("STRING", {})}}

    @classmethod
    def IS_CHANGED(cls, text):
        return float("nan")

    def give(self, text):
        return (text,)


@pytest.fixture
def folder(comfy, monkeypatch):
    monkeypatch.setitem(comfy.nodes.NODE_CLASS_MAPPINGS, "AlwaysRuns", AlwaysRuns)
    name = place_pictures(comfy, "again")
    yield name
    shutil.rmtree(comfy.base / "input" / name)


def test_the_folders_content_decides_whatever_gives_its_name(comfy, run_prompt, sd15_checkpoint, folder):
    """A node that always runs makes ComfyUI call everything behind it; what is the same is not trained again."""
    executor, runs = comfy.new_executor(), comfy.base / "output" / "lora_canvas"
    graph = train_graph(sd15_checkpoint, folder, run_name="again", steps=1)
    graph["name"] = node("AlwaysRuns", text=folder)
    graph["dataset"]["inputs"]["folder"] = ["name", 0]

    def train() -> tuple[str, dict]:
        result = run_prompt(copy.deepcopy(graph), executor=executor)  # ComfyUI writes its fingerprints into a prompt
        assert "train" not in result.events_named("execution_cached")[0]["nodes"], "ComfyUI calls the node each time"
        return result.value("train", 6).rsplit("/", 1)[1], result

    name, first = train()
    name_again, second = train()
    assert (name, name_again) == ("again", "again") and not (runs / "again_2").exists()
    for slot in (2, 3, 4, 5):
        one, other = first.value("train", slot), second.value("train", slot)
        same = torch.equal(one, other) if torch.is_tensor(one) else one.keys() == other.keys()
        assert same, f"output {slot}"
    a, b = first.value("train", 2), second.value("train", 2)
    assert all(torch.equal(a[key], b[key]) for key in a) and vars(a) == vars(b)
    assert first.value("train").patches.keys() == second.value("train").patches.keys() != set()

    caption = next((comfy.base / "input" / folder).rglob("*.txt"))
    caption.write_text("something else")
    assert train()[0] == "again_2"
    graph["train"]["inputs"]["seed"] = 1
    assert train()[0] == "again_3"
    assert train()[0] == "again_3"
    shutil.rmtree(runs / "again_3")
    assert train()[0] == "again_3" and (runs / "again_3" / "again_3.safetensors").is_file()
