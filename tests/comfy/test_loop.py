"""Train LoRA inside a loop, or inside a node that expands into others: what runs is a copy with an id of its own."""

import json

import pytest
from safetensors import safe_open

from pack.tests.comfy.graphs import node, place_pictures, train_graph


class Repeat:
    """What Start Loop does with its body: a copy of `body` for each round, shown as the node that it copies."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"rounds": ("INT", {"default": 2}), "body": ("STRING", {"default": ""})}, "hidden": {"dynprompt": "DYNPROMPT"}}

    RETURN_TYPES = ("LORA_MODEL",)
    FUNCTION = "repeat"
    OUTPUT_NODE = True

    def repeat(self, rounds, body, dynprompt):
        from comfy_execution.graph_utils import GraphBuilder

        graph = GraphBuilder()
        for number in range(rounds):
            copied = dynprompt.get_node(body)
            copy = graph.node(copied["class_type"], f"{number}_{body}", **copied["inputs"])
            copy.set_input("seed", number)
            copy.set_override_display_id(body)
        return {"result": (copy.out(2),), "expand": graph.finalize()}


@pytest.fixture(scope="module")
def looped(comfy, sd15_checkpoint):
    """Two rounds of one step: (checkpoint, result)."""
    comfy.nodes.NODE_CLASS_MAPPINGS["LoRACanvasTestRepeat"] = Repeat
    graph = train_graph(sd15_checkpoint, place_pictures(comfy), run_name="looped", steps=1)
    graph["again"] = node("LoRACanvasTestRepeat", rounds=2, body="train")
    try:
        yield sd15_checkpoint, comfy.run(graph, only=["again"])
    finally:
        del comfy.nodes.NODE_CLASS_MAPPINGS["LoRACanvasTestRepeat"]


@pytest.fixture
def folders(comfy, looped):
    return [comfy.base / "output" / "lora_canvas" / name for name in sorted({d["run"] for d in looped[1].events_named("lora_canvas.run")})]


def test_every_round_is_a_run_of_the_node_on_the_canvas(looped, folders):
    assert [folder.name for folder in folders] == ["looped", "looped_2"]
    assert {data["node"] for data in looped[1].events_named("lora_canvas.run")} == {"train"}


def test_comfyui_s_bar_moves_on_it(looped):
    bars = [data for data in looped[1].events_named("progress") if data["max"] == 1]
    assert {data["node"] for data in bars} == {"train"}
    states = [state for data in looped[1].events_named("progress_state") for state in data["nodes"].values()]
    assert any(state["display_node_id"] == "train" and state["node_id"] != "train" and state["value"] == 1 for state in states)


def test_the_file_knows_the_model_that_it_was_trained_on(looped, folders):
    for folder in folders:
        with safe_open(folder / f"{folder.name}.safetensors", "pt") as file:
            metadata = file.metadata()
        assert metadata["ss_sd_model_name"] == looped[0]
        assert len(metadata["ss_sd_model_hash"]) == 8


def test_a_round_can_be_resumed_through_the_prompt_that_made_it(folders):
    kept = json.loads((folders[1] / "graph.json").read_text(encoding="utf-8"))
    assert kept["node"] == "train" and "resume" in kept["prompt"]["train"]["inputs"]
