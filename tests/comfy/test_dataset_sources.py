"""Datasets made by the graph, captions and the doctor, in a real ComfyUI."""

import shutil

import numpy as np
import pytest
from PIL import Image

from pack.tests.comfy.inprocess import NodeFailed, PromptRefused

CAPTIONS = {
    "trigger_word": "", "prefix": "", "suffix": "", "shuffle": False, "keep_tokens": 0, "caption_dropout": 0.0,
    "tag_dropout": 0.0, "caption_dropout_every_n_epochs": 0, "lines": "random", "wildcards": False,
    "keep_tokens_separator": "|||", "secondary_separator": ";;;", "separator": ",", "variants": 10, "allow_empty": False,
}  # fmt: skip


def node(kind, **inputs) -> dict:
    return {"class_type": kind if kind[0] != "." else "LoRACanvas" + kind[1:], "inputs": inputs}


def images(batch, **inputs):
    widgets = {"repeats": 1, "trigger_word": "", "role": "training", "loss_weight": 1.0}
    return node(".ImagesToDataset", images=batch, **{**widgets, **inputs})


@pytest.fixture
def pictures(comfy):
    """input/core_set: two pictures of different size with captions, as core's own dataset loader reads them."""
    folder = comfy.base / "input" / "core_set"
    folder.mkdir()
    for name, size in (("a", (64, 64)), ("b", (128, 64))):
        shade = np.linspace(0, 255, size[0]).astype(np.uint8)[None, :, None]
        Image.fromarray(np.broadcast_to(shade, (size[1], size[0], 3)).copy()).save(folder / f"{name}.png")
        (folder / f"{name}.txt").write_text(f"{name}, dog, {name * 3}")
    yield folder
    shutil.rmtree(folder)


def test_pictures_and_captions_of_cores_own_loader(comfy, pictures):
    result = comfy.run({
        "1": node("LoadImageTextDataSetFromFolder", folder="core_set"),
        "2": images(["1", 0], captions=["1", 1], repeats=3, trigger_word="ohwx"),
        "3": node("PreviewImage", images=["2", 1]),
    })  # fmt: skip
    dataset = result.value("2")
    assert [(s.picture.size(), s.caption, s.repeats) for s in dataset.samples] == [
        ((64, 64), "a, dog, aaa", 3), ((128, 64), "b, dog, bbb", 3)
    ]  # fmt: skip
    assert dataset.captions.trigger == "ohwx"
    with Image.open(pictures / "b.png") as image:
        assert (dataset.samples[1].picture.pixels()[:, :, :3] == np.asarray(image)).all()


def test_a_batch_as_one_clip(comfy):
    """As Get Video Components gives it; a workflow of before makes pictures of it."""
    result = comfy.run({
        "1": node("EmptyImage", width=64, height=64, batch_size=9, color=0xFF8000),
        "2": images(["1", 0], clips=True, clip_frames=5, trigger_word="ohwx"), "3": images(["1", 0]),
        "4": node("PreviewImage", images=["2", 1]), "5": node("PreviewImage", images=["3", 1]),
    })  # fmt: skip
    (clip,) = result.value("2").samples
    assert clip.name == "clip 1" and clip.picture.clip().shape == (5, 64, 64, 3)
    assert len(result.value("3").samples) == 9


def test_a_batch_with_one_caption_and_a_mask(comfy):
    result = comfy.run({
        "1": node("EmptyImage", width=64, height=64, batch_size=2, color=0xFF8000),
        "2": node("SolidMask", value=0.5, width=64, height=64),
        "3": node("PrimitiveString", value="a square"),
        "4": images(["1", 0], captions=["3", 0], masks=["2", 0]),
        "5": node("PreviewImage", images=["4", 1]),
    })  # fmt: skip
    samples = result.value("4").samples
    assert [sample.caption for sample in samples] == ["a square"] * 2
    assert samples[0].picture.pixels()[0, 0].tolist() == [255, 128, 0, 255] and samples[1].mask.pixels()[0, 0, 0] == 128


def test_too_many_captions_are_explained(comfy, pictures):
    with pytest.raises(NodeFailed, match="2 captions but 1 picture"):
        comfy.run({
            "1": node("LoadImageTextDataSetFromFolder", folder="core_set"),
            "2": node("EmptyImage", width=64, height=64, batch_size=1, color=0),
            "3": images(["2", 0], captions=["1", 1]),
            "4": node("PreviewImage", images=["3", 1]),
        })  # fmt: skip


@pytest.fixture(scope="module")
def loader(sd15_checkpoint) -> dict:
    return node("CheckpointLoaderSimple", ckpt_name=sd15_checkpoint)


def test_what_core_has_encoded_is_taken_as_it_is(comfy, pictures, loader):
    result = comfy.run({
        "1": loader,
        "2": node("LoadImageTextDataSetFromFolder", folder="core_set"),
        "3": node("MakeTrainingDataset", images=["2", 0], vae=["1", 2], clip=["1", 1], texts=["2", 1]),
        "4": node(".ImportCoreDataset", latents=["3", 0], conditioning=["3", 1], repeats=2),
        "5": node(".DatasetDoctor", dataset=["4", 0]),
    })  # fmt: skip
    dataset = result.value("4")
    latents, conditions = result.values["3"]
    assert len(dataset.samples) == 2
    for sample, latent, condition in zip(dataset.samples, latents, conditions, strict=True):
        assert (sample.picture.encoded["latent"] == latent["samples"][0]).all()
        assert (sample.condition.tensors["cond"] == condition[0][0]).all()
        assert (sample.condition.tensors["pooled_output"] == condition[0][1]["pooled_output"]).all()
        assert sample.repeats == 2


def test_merged_configured_previewed_and_examined(comfy, pictures, loader):
    folder = {
        "folder": "core_set", "repeats": 1, "caption_extension": ".txt", "trigger_word": "", "captions_from": "auto",
        "transparency": "white background", "masks": "none", "mask_folder": "", "regularisation_folder": "",
        "prior_loss_weight": 1.0, "validation_fraction": 0.0, "validation_folder": "", "sub_folders": True,
    }  # fmt: skip
    result = comfy.run({
        "1": loader,
        "2": node(".LoadDataset", **folder),
        "3": node("EmptyImage", width=64, height=64, batch_size=1, color=0x00FF00),
        "4": images(["3", 0], trigger_word="grn"),
        "5": node(".MergeDatasets", dataset_a=["2", 0], dataset_b=["4", 0]),
        "6": node(".CaptionConfig", dataset=["5", 0], **{**CAPTIONS, "shuffle": True, "prefix": "photo"}),
        "7": node(".CaptionPreview", dataset=["6", 0], clip=["1", 1], picture="", draws=3, seed=5),
        "8": node(".DatasetDoctor", dataset=["6", 0]),
    })  # fmt: skip
    merged, report = result.value("5"), result.value("5", 1)
    assert [s.name for s in merged.samples] == ["a.png", "b.png", "image 1"] and report.startswith("3 pictures")
    captions = result.value("7")
    assert list(result.outputs["7"]["text"]) == [captions]
    assert "a.png (" in captions and "image 1 (1 different texts)" in captions and "photo, grn  [" in captions
    lines = [line for line in captions.splitlines() if "aaa" in line]
    assert len(lines) == 3 and all("photo, " in line and line.rstrip("]").split("[")[1].endswith(" tokens") for line in lines)
    assert "too small for the resolution" in result.value("8", 1) and result.value("8").samples == result.value("6").samples


def test_a_wrong_separator_is_explained(comfy):
    with pytest.raises(PromptRefused, match="separator is empty"):
        comfy.run({
            "1": node("EmptyImage", width=64, height=64, batch_size=1, color=0),
            "2": images(["1", 0]),
            "3": node(".CaptionConfig", dataset=["2", 0], **{**CAPTIONS, "separator": ""}),
            "4": node(".CaptionPreview", dataset=["3", 0], picture="", draws=1, seed=0),
        })  # fmt: skip
