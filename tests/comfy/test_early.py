"""What can be known before the prompt is queued is refused there, at its widget; the rest before a model is loaded or a picture encoded."""

import asyncio

import pytest

from pack.tests.comfy.graphs import node, place_pictures, train_graph
from pack.tests.comfy.inprocess import NodeFailed

CASES = {
    "folder": ("dataset", {"folder": "no such folder"}, "folder", "folder 'no such folder' is not a folder below 'input'"),
    "no folder": ("dataset", {"folder": " "}, "folder", "folder is empty. Type the name of a folder"),
    "masks": ("dataset", {"mask_folder": "nowhere"}, "mask_folder", "mask_folder 'nowhere' is not a folder below 'input'"),
    "file name": ("save", {"filename": "../out"}, "filename", "filename is '../out', but must name a file inside the loras folder"),
    "run name": ("train", {"run_name": "  "}, "run_name", "run_name is empty. Give the run a name"),
    "arguments": ("optimizer", {"extra_arguments": "betaz=1"}, "extra_arguments", "betaz"),
    "rules": ("optimizer", {"group_rules": "attn: fast"}, "group_rules", "group_rules, line 1: 'fast' is not a setting."),
    "pieces": ("optimizer", {"scheduler": "piecewise_constant", "scheduler_pieces": "half"}, "scheduler_pieces", "must be like '1:500"),
    "prompts": ("preview", {"prompts": "\n"}, "prompts", "there is no prompt. Write one a line"),
    "prompt file": ("preview", {"prompt_file": "early/nowhere.txt"}, "prompt_file", "prompt_file 'early/nowhere.txt' is not a file."),
    "encoder rates": ("optimizer", {"text_encoder_rates": "clip_l"}, "text_encoder_rates", "must be a text encoder and its rate"),
    "resolutions": ("buckets", {"more_resolutions": "big"}, "more_resolutions", "more_resolutions is 'big' but must be numbers"),
    "buckets": ("buckets", {"min_bucket": 512}, "min_bucket", "min_bucket (512) is above max_bucket (256)."),
    "start": ("network", {"init": "pissa", "algorithm": "loha"}, "init", "init 'pissa' does not go with algorithm 'loha'"),
    "levels": ("objective", {"min_timestep": 900, "max_timestep": 100}, "min_timestep", "min_timestep"),
    "blocks": ("blocks", {"lr_weights": "1,x"}, "lr_weights", "lr_weights: 'x' is not a number."),
    "separator": ("captions", {"separator": ""}, "separator", "separator is empty."),
    "strengths": ("test", {"strengths": "much"}, "strengths", "much"),
    "tags": ("auto", {"replace_tags": "one"}, "replace_tags", "one"),
}


@pytest.fixture(scope="module")
def folder(comfy) -> str:
    return place_pictures(comfy, "early")


def graph_of(comfy, checkpoint: str, folder: str) -> dict:
    """Every node that has texts; widgets that must be there have their defaults."""
    graph = _graph(checkpoint, folder)
    for each in graph.values():
        for name, (kind, *given) in comfy.nodes.NODE_CLASS_MAPPINGS[each["class_type"]].INPUT_TYPES()["required"].items():
            options = given[0] if given else {}
            choices = kind if isinstance(kind, list) else options.get("options")
            if name not in each["inputs"]:
                each["inputs"][name] = options["default"] if "default" in options else choices[0]
    return graph


def _graph(checkpoint: str, folder: str) -> dict:
    graph = train_graph(checkpoint, folder, run_name="early", preview=["preview", 0], objective=["objective", 0])
    graph["preview"] = node("LoRACanvasSamplePreview", prompts="a", every_n_steps=0, sampler_name="euler", scheduler="normal",
                            sampling_steps=1, cfg=1.0, width=64, height=64, seed=0, negative="", at_start=False, at_end=False)
    graph["objective"] = node("LoRACanvasTrainingObjective")
    graph["blocks"] = node("LoRACanvasBlockWeights", network=["network", 0], rules="")
    graph["captions"] = node("LoRACanvasCaptionConfig", dataset=["auto", 0], trigger_word="")
    graph["auto"] = node("LoRACanvasAutoCaption", dataset=["dataset", 0])
    graph["save"] = node("LoRACanvasSaveLoRA", lora=["train", 2], filename="early", dtype="fp16")
    graph["test"] = node("LoRACanvasLoRATest", model=["load", 0], clip=["load", 1], vae=["load", 2], prompts="a", strengths="1",
                         lora=["train", 2])
    graph["shown"] = node("PreviewImage", images=["test", 0])
    graph["train"]["inputs"]["network"] = ["blocks", 0]
    graph["buckets"]["inputs"]["dataset"] = ["captions", 0]
    return graph


@pytest.fixture
def errors_of(comfy):
    """ComfyUI's own validation: node -> widget -> what it shows there."""
    def ask(graph: dict) -> dict[str, dict[str, str]]:
        _, _, _, found = asyncio.run(comfy.execution.validate_prompt("early", graph, None))
        return {name: {error["extra_info"]["input_name"]: error["details"] for error in report["errors"]} for name, report in found.items()}

    return ask


@pytest.mark.parametrize("case", CASES)
def test_it_is_refused_at_its_widget(comfy, errors_of, sd15_checkpoint, folder, case):
    where, widgets, widget, sentence = CASES[case]
    graph = graph_of(comfy, sd15_checkpoint, folder)
    assert errors_of(graph) == {}
    graph[where]["inputs"] |= widgets
    errors = errors_of(graph)
    assert set(errors) == {where} and sentence in errors[where][widget]
    if len(widgets) == 1:  # what a wire brings is not known yet
        graph[where]["inputs"][widget] = ["load", 0]
        assert sentence not in str(errors_of(graph))


@pytest.fixture
def idle(comfy, monkeypatch):
    """No checkpoint is read, and no picture encoded."""
    monkeypatch.setattr(comfy.module("comfy.sd").VAE, "encode", lambda *given: pytest.fail("a picture was encoded"))
    return monkeypatch


@pytest.mark.parametrize(("where", "widgets", "sentence"), [
    ("train", {"resume": "no such run"}, "resume is 'no such run', but "),
    ("dataset", {"caption_extension": ".cap", "captions_from": "files"}, "12 pictures without a caption: "),
], ids=["resume", "captions"])
def test_before_a_model_is_loaded(comfy, run_prompt, sd15_checkpoint, folder, idle, where, widgets, sentence):
    idle.setattr(comfy.nodes.CheckpointLoaderSimple, "load_checkpoint", lambda *given: pytest.fail("a model was loaded"))
    graph = train_graph(sd15_checkpoint, folder, run_name="early")
    graph[where]["inputs"] |= widgets
    with pytest.raises(NodeFailed) as caught:
        run_prompt(graph)
    assert caught.value.node_id == "train" and sentence in caught.value.message


def test_a_save_that_cannot_be_keeps_the_run_from_starting(comfy, run_prompt, sd15_checkpoint, folder, idle):
    """ComfyUI runs what is left of a graph of which a part is refused: hours of training that nobody would save."""
    idle.setattr(comfy.nodes.CheckpointLoaderSimple, "load_checkpoint", lambda *given: pytest.fail("a model was loaded"))
    graph = train_graph(sd15_checkpoint, folder, run_name="early")
    graph["save"] = node("LoRACanvasSaveLoRA", lora=["train", 2], filename="../out", dtype="fp16")
    with pytest.raises(NodeFailed, match="filename is '../out', but must name a file inside the loras folder"):
        run_prompt(graph, only=["train"])


@pytest.mark.parametrize(("where", "widgets", "sentence"), [
    ("optimizer", {"group_rules": "clip_g: lr=1e-5"}, "group_rules: 'clip_g' matches no parameter."),
    ("network", {"include": "no_such_module"}, "no_such_module"),
], ids=["groups", "network"])
def test_before_a_picture_is_encoded(run_prompt, sd15_checkpoint, folder, idle, where, widgets, sentence):
    graph = train_graph(sd15_checkpoint, folder, run_name="early")
    graph[where]["inputs"] |= widgets
    with pytest.raises(NodeFailed, match=sentence):
        run_prompt(graph)
