"""Captioners that write sentences: real transformers models of tiny size, from folders."""

import json
import shutil
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from PIL import Image

from pack.tests.training.captioning import tiny_generators
from pack.tests.training.captioning.fakes import colour_dataset
from pack.training.captioning.answers import AnswerStore
from pack.training.captioning.catalog import GENERATOR, kind_of, missing_files
from pack.training.captioning.generator import GenerationSpec, generator_captioner
from pack.training.captioning.generator_model import load
from pack.training.captioning.prompts import SENTENCE, TAGS, TEMPLATES, model_inputs, prompt_for
from pack.training.captioning.run import CaptioningSpec, caption_dataset
from pack.training.errors import ModelError, SettingsError

PICTURE = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("captioners")
    return {name: getattr(tiny_generators, f"make_{name}")(root / name)
            for name in ("blip", "git", "florence", "chat", "joycaption", "qwen")}


class Place:
    """The CPU; notes what was asked for, and whether it was given back."""

    def __init__(self, dtype=torch.float32):
        self.dtype, self.weights, self.taken = dtype, 0, False

    @contextmanager
    def __call__(self, weights):
        self.weights, self.taken = weights, True
        yield torch.device("cpu"), self.dtype
        self.taken = False


def say(folder, prompt="", tokens=3, beams=1, place=None, **given):
    spec = GenerationSpec(prompt=prompt, max_new_tokens=tokens, beams=beams)
    captioner = generator_captioner(folder, spec, place or Place(), **given)
    with torch.inference_mode(), captioner.loaded() as ask:
        return captioner.wording(ask(PICTURE))


@pytest.mark.parametrize(
    "name, prompt, says",
    [
        ("blip", "", "dog dog dog"), ("blip", "a photo of", "a photo of dog dog dog"),
        ("git", "", "dog dog dog"), ("git", "a photo of", "a photo of dog dog dog"),
        ("florence", "", "dog dog"), ("florence", "<CAPTION>", "dog dog"), ("florence", "describe the dog", "dog dog"),
        ("chat", "", "dog dog dog"), ("chat", "what is this", "dog dog dog"),
        ("joycaption", "", "dog dog dog"), ("joycaption", "describe the dog", "dog dog dog"),
        ("qwen", "", "dog dog dog"), ("qwen", "describe the dog", "dog dog dog"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("beams", [1, 2])
def test_what_models_say(folders, name, prompt, says, beams):
    """Florence-2's third token is the end mark, which it must write; a chat's question is no part of the answer."""
    assert say(folders[name], prompt, beams=beams) == (says,)


def asked(folder, template) -> str:
    """The words that a model with a chat template is given, as its tokenizer has them."""
    processor, model = load(folder, torch.float32)
    ids = model_inputs(processor, model, Image.fromarray(PICTURE), prompt_for(processor, model, "", template))["input_ids"][0]
    return processor.tokenizer.decode(ids)


@pytest.mark.parametrize("name", ["chat", "joycaption", "qwen"])
def test_the_picture_and_the_question_reach_the_model_once(folders, name):
    mark = "<|image_pad|>" if name == "qwen" else "<image>"
    text = asked(folders[name], SENTENCE)
    first, last = text.index(mark), text.rindex(mark)
    assert set(text[first : last + len(mark)].replace(mark, "").split()) == set()
    assert text.count("this picture") == 1 and text.rstrip().endswith("assistant :")


@pytest.mark.parametrize("name", ["joycaption", "qwen"])
def test_tags_are_each_once(folders, name):
    spec = GenerationSpec(template=TAGS, max_new_tokens=3)
    captioner = generator_captioner(folders[name], spec, Place())
    assert captioner.speaks_tags
    assert captioner.wording("Red dog, cat, red dog , , A Photo.") == ("red dog", "cat", "a photo")
    with torch.inference_mode(), captioner.loaded() as ask:
        assert captioner.wording(ask(PICTURE)) == ("dog dog dog",)


def test_what_a_template_means_for_each_kind(folders):
    processor, model = load(folders["florence"], torch.float32)
    assert [prompt_for(processor, model, "", template) for template in TEMPLATES] == [
        "<DETAILED_CAPTION>", "<CAPTION>", "<MORE_DETAILED_CAPTION>", None]
    with pytest.raises(ModelError, match="has no answer for prompt_template 'tags'"):
        with generator_captioner(folders["florence"], GenerationSpec(template=TAGS), Place()).loaded() as ask:
            ask(PICTURE)
    with pytest.raises(SettingsError, match="prompt_template is 'tags' and prompt is filled in too"):
        GenerationSpec(template=TAGS, prompt="what is this")


@pytest.mark.parametrize("name", ["blip", "git", "florence", "chat"])
def test_the_memory_is_asked_for_and_given_back(folders, name):
    place = Place(torch.bfloat16)
    assert say(folders[name], place=place)[0].startswith("dog")
    assert place.weights == (folders[name] / "model.safetensors").stat().st_size and not place.taken


def test_nothing_stays_in_memory_and_grad_mode_is_as_before(folders):
    import gc
    import weakref

    captioner = generator_captioner(folders["blip"], GenerationSpec(max_new_tokens=1), Place())
    with captioner.loaded() as ask:
        model = weakref.ref(ask.args[1])
        assert not torch.is_inference_mode_enabled() and not torch.is_grad_enabled()
    assert torch.is_grad_enabled() and model().text_decoder.cls.predictions.bias.is_meta
    del ask
    gc.collect()
    assert model() is None


def test_cancel_acts_between_two_words(folders):
    class Cancelled(Exception):
        pass

    calls = []

    def poll():
        calls.append(1)
        if len(calls) == 4:
            raise Cancelled

    place = Place()
    with pytest.raises(Cancelled):
        say(folders["blip"], tokens=20, place=place, poll=poll)
    assert len(calls) == 4


def test_a_dataset_and_what_is_remembered(folders, tmp_path):
    dataset = colour_dataset(tmp_path / "pictures", {"a.png": (1, 2, 3), "b.png": (4, 5, 6)}, {"b.png": "old."})
    answers = AnswerStore(tmp_path / "captions.sqlite")

    def run(**spec):
        captioner = generator_captioner(folders["blip"], GenerationSpec(**spec), Place())
        result, outcome = caption_dataset(dataset, captioner, CaptioningSpec(existing="append", write_files="new files"), answers=answers)
        return [sample.caption for sample in result.samples], outcome.remembered

    assert run(max_new_tokens=2) == (["dog dog", "old. dog dog"], 0)
    assert run(max_new_tokens=2) == (["dog dog", "old. dog dog"], 2)
    assert run(max_new_tokens=2, prompt="red") == (["red dog dog", "old. red dog dog"], 0)
    assert run(max_new_tokens=3)[1] == 0 == run(max_new_tokens=2, beams=2)[1]
    assert (tmp_path / "pictures" / "a.txt").read_text() == "dog dog\n"


def test_thoughts_are_not_part_of_a_caption(folders, monkeypatch):
    captioner = generator_captioner(folders["chat"], GenerationSpec(max_new_tokens=2), Place())
    with captioner.loaded() as ask:
        monkeypatch.setattr(ask.args[0], "batch_decode", lambda *_, **__: ["<think>a dog?\nyes</think>\n A dog,\n sitting."])
        assert ask(PICTURE) == "A dog, sitting."


def test_a_prompt_that_the_model_refuses(folders):
    with pytest.raises(ModelError, match="florence cannot take the picture with the prompt '<CAPTION> please'.*Empty the prompt"):
        say(folders["florence"], "<CAPTION> please")


def test_settings_are_checked():
    with pytest.raises(SettingsError, match="(?s)2 problems.*max_new_tokens is 0.*beams is 99"):
        GenerationSpec(max_new_tokens=0, beams=99)


@pytest.fixture
def copy(folders, tmp_path):
    return shutil.copytree(folders["blip"], tmp_path / "copied")


def edit_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    "changes, says",
    [
        ({"model_type": "moondream1", "auto_map": {"AutoModel": "evil.Model"}},
         "'moondream1'.*does not know.*code of its own, which is never run"),
        ({"model_type": "florence2", "auto_map": {"AutoModel": "modeling.Model"}}, "Take florence-community/Florence-2-large-ft"),
        ({"model_type": "bert"}, "copied cannot be loaded by transformers"),
    ],
)
def test_what_transformers_cannot_load(copy, changes, says):
    (copy / "evil.py").write_text("raise SystemExit('ran')")
    edit_config(copy, **changes)
    with pytest.raises(ModelError, match=f"(?s)Auto Caption: .*{says}"):
        say(copy)


def test_weights_that_do_not_belong_to_the_model(copy):
    """transformers itself only warns, and would answer with random weights."""
    from safetensors.torch import load_file, save_file

    weights = load_file(copy / "model.safetensors")
    dropped = {name: tensor for name, tensor in weights.items() if "vision_model.post_layernorm" not in name}
    save_file(dropped, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="copied lacks 2 weights of BlipForConditionalGeneration.*post_layernorm"):
        say(copy)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_damaged_files_are_explained(copy, name):
    (copy / name).write_bytes(b"half a download")
    with pytest.raises(ModelError, match="Auto Caption: copied"):
        say(copy)


def test_what_a_folder_lacks(copy):
    assert kind_of(copy) == GENERATOR and missing_files(copy, GENERATOR) == []
    (copy / "model.safetensors").rename(copy / "model-00001-of-00002.safetensors")
    assert missing_files(copy, GENERATOR) == ["model.safetensors"]
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (copy / "model.safetensors.index.json").write_text(json.dumps(index))
    assert missing_files(copy, GENERATOR) == ["model-00002-of-00002.safetensors"] and kind_of(copy) is None
    (copy / "model-00002-of-00002.safetensors").touch()
    assert kind_of(copy) == GENERATOR
    (copy / "model.safetensors.index.json").write_text("[]")
    assert missing_files(copy, GENERATOR) == ["model.safetensors.index.json (whole)"]
