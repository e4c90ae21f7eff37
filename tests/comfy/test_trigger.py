"""The trigger word, set once on Load Dataset, in all that a run gives on."""

import pytest
import torch

from pack.tests.comfy.graphs import node, place_pictures, train_graph
from pack.training.lora_file.file import read_metadata


@pytest.fixture
def clip(comfy, sd15_checkpoint):
    with torch.inference_mode():
        return comfy.module("nodes").CheckpointLoaderSimple().load_checkpoint(sd15_checkpoint)[1]


def test_a_clip_that_speaks_it(comfy, clip):
    speaking = comfy.module("pack.host.model.trigger").speaking
    plain = clip.clone()
    spoken = speaking(clip.clone(), "ohwx")
    assert spoken.tokenize("[trigger] in the snow") == plain.tokenize("ohwx in the snow")
    assert spoken.clone().tokenize("a [trigger]") == plain.tokenize("a ohwx")
    assert spoken.tokenize("a fox") == plain.tokenize("a fox") and plain.tokenize("[trigger]") != plain.tokenize("ohwx")
    assert speaking(spoken.clone(), "").tokenize("[trigger] in the snow") == plain.tokenize("in the snow")
    assert spoken.tokenizer.state_dict().keys() == plain.tokenizer.state_dict().keys() and speaking(None, "ohwx") is None


def test_prompts_metadata_and_the_files_name(comfy, run_prompt, sd15_checkpoint):
    graph = train_graph(sd15_checkpoint, place_pictures(comfy), run_name="spoken", steps=2, save_every_n_steps=0)
    loads = [one for one in graph.values() if one["class_type"] == "LoRACanvasLoadDataset"]
    loads[0]["inputs"]["trigger_word"] = "ohwx fox"
    graph["save"] = node("LoRACanvasSaveLoRA", lora=["train", 2], filename="named/[trigger]_spoken", dtype="fp32")
    trained = run_prompt(graph)
    path = comfy.base / "models" / "loras" / "named" / "ohwx_fox_spoken.safetensors"
    assert trained.value("save") == str(path) and read_metadata(path)["modelspec.trigger_phrase"] == "ohwx fox"
    clip = trained.value("train", 1)
    assert clip.tokenize("a photo of [trigger]") == clip.tokenize("a photo of ohwx fox")


def test_a_name_that_says_it_without_one(comfy):
    save = comfy.module("pack.host.lora.save")
    assert save._named(save.SaveSpec(filename="[trigger]_v1", trigger_words="a, b/c"), {}) == "a_b_c_v1"
    assert save._named(save.SaveSpec(filename="plain"), {}) == "plain"
    with pytest.raises(Exception, match="no trigger word is set"):
        save._named(save.SaveSpec(filename="[trigger]"), {})
