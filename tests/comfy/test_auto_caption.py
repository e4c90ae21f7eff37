"""Auto Caption in a real ComfyUI, with a tagger in its models folder."""

import importlib
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from pack.tests.comfy.graphs import node
from pack.tests.comfy.inprocess import NodeFailed, PromptInterrupted, PromptRefused
from pack.tests.training.captioning.fakes import make_wd14
from pack.tests.training.captioning.tiny_generators import make_blip
from pack.training.captioning.files import CaptionFiles

TAGGER = "wd-tiny-tagger-v3"


@pytest.fixture
def models(comfy):
    """models/lora_canvas_captioners with one tagger; removed afterwards."""
    folder = comfy.base / "models" / "lora_canvas_captioners"
    make_wd14(folder / TAGGER)
    (folder / "not a model").mkdir()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def pictures(comfy, models):
    folder = comfy.base / "input" / "colours"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for name, colour in (("a", (255, 0, 0)), ("b", (0, 255, 0)), ("c", (0, 0, 255))):
        pixels = np.full((64, 64, 3), colour, np.uint8)
        pixels[0, 0] = generator.integers(0, 255, 3)  # new content each time: nothing is remembered from another test
        Image.fromarray(pixels).save(folder / f"{name}.png")
    (folder / "a.txt").write_text("by hand")
    yield folder
    shutil.rmtree(folder)


def graph(**widgets) -> dict:
    """Load Dataset -> Auto Caption, as a script writes it: only the promised widgets."""
    return {
        "load": node("LoRACanvasLoadDataset", folder="colours", repeats=1, caption_extension=".txt",
                     mask_folder="", regularisation_folder="", validation_folder=""),
        "caption": node("LoRACanvasAutoCaption", **{"dataset": ["load", 0], "captioner": TAGGER, **widgets}),
    }


def captions(result, of="caption") -> list[str]:
    return [sample.caption for sample in result.value(of).samples]


def test_captions_are_passed_on(comfy, pictures):
    result = comfy.run(graph(rating_tag="last"))
    assert captions(result) == ["by hand", "hero (series), green tint, o_o, general", "hero (series), blue tint, o_o, general"]
    assert sorted(path.name for path in pictures.iterdir()) == ["a.png", "a.txt", "b.png", "c.png"]
    assert f"{TAGGER}: 2 pictures captioned" in result.value("caption", 1)
    assert result.outputs["caption"]["text"] == [result.value("caption", 1)]
    bars = [(data["value"], data["max"]) for data in result.events_named("progress") if data["node"] == "caption"]
    # Newer ComfyUI passes on only some of the bar's moves, the first and the last always.
    assert bars[0] == (0, 2) and bars[-1] == (2, 2) and bars == sorted(bars)


def test_what_is_suggested_for_some_pictures_is_told_and_not_written(comfy, pictures):
    result = comfy.run(graph(existing_captions="replace", only_pictures="a.png\nc.png\n"))
    assert captions(result)[1] == "" and result.outputs["caption"]["captions"] == [
        {"a.png": captions(result)[0], "c.png": captions(result)[2]}]
    assert (pictures / "a.txt").read_text() == "by hand" and "captions" not in comfy.run(graph()).outputs["caption"]


def test_every_widget_arrives(comfy, pictures):
    widgets = dict(
        existing_captions="prepend", write_files="new and changed files", trigger_word="ohwx", general_threshold=0.3,
        character_threshold=0.8, undesired_tags="blue tint", rating_tag="first", character_tags_first=False,
        always_first_tags="o_o", replace_tags="red_tint: red, warm",
        underscores_to_spaces=False, max_tags=2, caption_extension=".caption", device="cpu",
    )  # fmt: skip
    result = comfy.run(graph(**widgets))
    assert captions(result) == [
        "ohwx, o_o, general, red, warm, hero_(series), by hand", "ohwx, o_o, general, green_tint, hero_(series)",
        "ohwx, o_o, general, hero_(series)",
    ]  # fmt: skip
    assert [(pictures / f"{name}.caption").read_text().strip() for name in "abc"] == captions(result)
    assert (pictures / "a.txt").read_text() == "by hand"


def test_what_was_written_is_read_back_and_kept(comfy, pictures):
    executor = comfy.new_executor()
    first = captions(comfy.run(graph(write_files="new files"), executor))
    again = comfy.run(graph(write_files="new files"), executor)
    assert captions(again, "load") == captions(again) == first and "0 pictures captioned" in again.value("caption", 1)
    third = comfy.run(graph(write_files="new files"), executor)
    assert "caption" in third.events_named("execution_cached")[0]["nodes"]


def test_new_thresholds_ask_nothing_again(comfy, pictures, monkeypatch):
    comfy.run(graph())
    monkeypatch.setattr("onnxruntime.InferenceSession", None)
    assert captions(comfy.run(graph(general_threshold=0.9)))[1] == "hero (series), green tint"


def test_an_exchanged_model_makes_it_run_again(comfy, pictures, models):
    executor = comfy.new_executor()
    comfy.run(graph(), executor)
    (models / TAGGER / "selected_tags.csv").write_text((models / TAGGER / "selected_tags.csv").read_text().replace("o_o", "x_x"))
    assert "x_x" in captions(comfy.run(graph(), executor))[1]


def test_cancel_keeps_what_is_written(comfy, pictures, monkeypatch):
    write = CaptionFiles.write

    def write_and_press(*given):
        write(*given)
        comfy.interrupt()

    with monkeypatch.context() as patched, pytest.raises(PromptInterrupted):
        patched.setattr(CaptionFiles, "write", write_and_press)
        comfy.run(graph(write_files="new files"))
    assert (pictures / "b.txt").is_file() and not (pictures / "c.txt").exists()
    assert captions(comfy.run(graph(write_files="new files")))[2] == "hero (series), blue tint, o_o"


def test_pictures_that_the_graph_made(comfy, models):
    prompt = {
        "red": node("EmptyImage", width=32, height=48, batch_size=2, color=0xFF0000),
        "set": node("LoRACanvasImagesToDataset", images=["red", 0], repeats=1, trigger_word=""),
        "caption": node("LoRACanvasAutoCaption", dataset=["set", 0], captioner=TAGGER, write_files="new files", trigger_word="ohwx"),
    }
    result = comfy.run(prompt)
    assert [text.startswith("ohwx, ") and "red tint" in text for text in captions(result)] == [True, True]
    assert "0 .txt files written" in result.value("caption", 1)


def test_sentences(comfy, pictures, models):
    make_blip(models / "blip-tiny")
    widgets = dict(captioner="blip-tiny", prompt="a photo of", max_new_tokens=2, existing_captions="append", trigger_word="ohwx")
    result = comfy.run(graph(**widgets))
    assert captions(result) == ["ohwx, by hand, a photo of dog dog", "ohwx, a photo of dog dog", "ohwx, a photo of dog dog"]
    assert "Commonest tags" not in result.value("caption", 1)
    again = comfy.run(graph(**widgets))
    assert "3 of them remembered" in again.value("caption", 1) and captions(again) == captions(result)


def test_cancel_in_the_middle_of_a_sentence(comfy, pictures, models, monkeypatch):
    make_blip(models / "blip-tiny")
    asked = []

    def interrupt_later():
        asked.append(1)
        if len(asked) == 20:
            comfy.interrupt()
        throw()

    compat = importlib.import_module("pack.host.captioning.captioning")
    throw = compat.throw_if_interrupted
    monkeypatch.setattr(compat, "throw_if_interrupted", interrupt_later)
    with pytest.raises(PromptInterrupted):
        comfy.run(graph(captioner="blip-tiny", max_new_tokens=500, write_files="new files"))
    assert len(asked) == 20 and not (pictures / "b.txt").exists()


def test_the_list_of_captioners(comfy, models):
    from pack.nodes.auto_caption import AutoCaption

    (entry,) = (given for given in AutoCaption.define_schema().inputs if given.id == "captioner")
    assert entry.options[0] == "wd-eva02-large-tagger-v3" and TAGGER in entry.options and "not a model" not in entry.options
    assert comfy.folder_paths.get_folder_paths("lora_canvas_captioners") == [str(models)]


@pytest.mark.parametrize(
    "widgets, says",
    [
        ({"captioner": "wd-vit-tagger-v3"},
         "about 379 MB.*model.onnx and selected_tags.csv.*models.lora_canvas_captioners.wd-vit-tagger-v3"),
        ({"captioner": "wd-vit-tagger-v3", "download_model": True}, "HF_HUB_OFFLINE is set.*model.onnx, selected_tags.csv into the folder"),
        ({"captioner": "../../secrets"}, "captioner is '../../secrets', which is not among"),
        ({"captioner": "not a model"}, "which is not among"),
        ({"captioner": "other (hub_model)"}, "hub_model must be the id"),
        ({"captioner": "other (hub_model)", "hub_model": "../x/y"}, "it is '../x/y'"),
        ({"captioner": "other (hub_model)", "hub_model": "owner/name"}, "fetch it from owner/name.*lora_canvas_captioners.owner--name"),
        ({"caption_extension": ".py"}, "caption_extension is '.py'"),
        ({"device": "tpu"}, "device is 'tpu'"),
        ({"replace_tags": "x"}, "replace_tags holds 'x'"),
    ],
)
def test_what_cannot_work_is_explained(comfy, pictures, widgets, says):
    with pytest.raises((NodeFailed, PromptRefused)) as caught:
        comfy.run(graph(**widgets))
    if isinstance(caught.value, PromptRefused):
        (widget, value), = widgets.items()
        # Newer ComfyUI looks at the lists of choices itself; what can be known before the run, the node refuses.
        assert f"Value not in list: {widget}: '{value}'" in str(caught.value) or re.search(f"{widget} - {says}", str(caught.value))
    else:
        assert caught.value.node_id == "caption" and re.search(f"(?s)Auto Caption: .*{says}", str(caught.value))
