"""Every way a dataset can come about is trained on in a real ComfyUI; a second run encodes nothing."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from torch._guards import detect_fake_mode

from pack.tests.comfy.graphs import node, train_graph
from pack.tests.comfy.inprocess import NodeFailed
from pack.tests.comfy.parts import load as load_parts
from pack.training.data.texts import TextCache


@pytest.fixture
def folder(comfy):
    """input/trained_on: four pictures of two shapes, half transparent, with captions."""
    path = comfy.base / "input" / "trained_on"
    path.mkdir()
    noise = np.random.default_rng(0)
    for name, size in (("a", (64, 64)), ("b", (64, 64)), ("c", (96, 64)), ("d", (96, 64))):
        pixels = noise.integers(0, 255, (size[1], size[0], 4)).astype(np.uint8)
        pixels[:, :, 3] = np.where(np.arange(size[0]) < 32, 255, 0)
        Image.fromarray(pixels).save(path / f"{name}.png")
        (path / f"{name}.txt").write_text(f"{name}, dog")
    yield path
    shutil.rmtree(path)


def graph(checkpoint, dataset_nodes: dict, dataset: list, **train) -> dict:
    """The usual training graph with its dataset replaced; two steps of batch 2."""
    whole = train_graph(checkpoint, "trained_on", **{"run_name": "data", "steps": 2, "batch_size": 2, **train})
    whole["train"]["inputs"]["dataset"] = dataset
    return {**{name: entry for name, entry in whole.items() if name not in ("dataset", "buckets")}, **dataset_nodes}


def buckets(dataset, **settings):
    widgets = {
        "resolution": 64, "min_bucket": 64, "max_bucket": 128, "bucket_step": 8, "no_upscale": False, "more_resolutions": "",
        "crop": "centre", "random_crops": 2, "flip": False, "small_buckets": "short batches", "batch_size": 2,
    }  # fmt: skip
    return node("LoRACanvasBucketConfig", dataset=dataset, **{**widgets, **settings})


def load(**widgets):
    defaults = {
        "folder": "trained_on", "repeats": 1, "caption_extension": ".txt", "trigger_word": "ohwx", "captions_from": "auto",
        "transparency": "white background", "masks": "none", "mask_folder": "", "regularisation_folder": "",
        "prior_loss_weight": 1.0, "validation_fraction": 0.0, "validation_folder": "", "sub_folders": True,
    }  # fmt: skip
    return node("LoRACanvasLoadDataset", **{**defaults, **widgets})


def captions(dataset, **settings):
    defaults = {
        "trigger_word": "", "prefix": "", "suffix": "", "shuffle": True, "keep_tokens": 0, "caption_dropout": 0.2,
        "tag_dropout": 0.2, "caption_dropout_every_n_epochs": 0, "lines": "random", "wildcards": False,
        "keep_tokens_separator": "|||", "secondary_separator": ";;;", "separator": ",", "variants": 3, "allow_empty": False,
    }  # fmt: skip
    return node("LoRACanvasCaptionConfig", dataset=dataset, **{**defaults, **settings})


def losses(result) -> list[float]:
    return result.value("train", 3)["loss"]


def test_masks_flips_crops_resolutions_and_shuffled_captions_at_once(comfy, sd15_checkpoint, folder):
    nodes = {
        "set": load(masks="alpha", validation_fraction=0.25),
        "text": captions(["set", 0]),
        "cut": buckets(["text", 0], flip=True, crop="random", more_resolutions="96"),
    }
    result = comfy.run(graph(sd15_checkpoint, nodes, ["cut", 0], steps=4))
    assert len(losses(result)) == 4 and all(np.isfinite(losses(result)))


def test_pictures_of_the_graph_joined_with_a_folder(comfy, sd15_checkpoint, folder):
    nodes = {
        "set": load(),
        "made": node("EmptyImage", width=64, height=64, batch_size=2, color=0x336699),
        "own": node("LoRACanvasImagesToDataset", images=["made", 0], repeats=2, trigger_word="blue", role="regularisation",
                    loss_weight=0.5),
        "both": node("LoRACanvasMergeDatasets", dataset_a=["set", 0], dataset_b=["own", 0]),
        "cut": buckets(["both", 0]),
    }
    with pytest.raises(NodeFailed, match="2 pictures without a caption: image 1, image 2"):
        comfy.run(graph(sd15_checkpoint, nodes, ["cut", 0]))
    nodes["label"] = node("PrimitiveString", value="a square")
    nodes["own"]["inputs"]["captions"] = ["label", 0]
    assert len(losses(comfy.run(graph(sd15_checkpoint, nodes, ["cut", 0])))) == 2


def test_encoded_by_core_equals_encoded_by_us(comfy, sd15_checkpoint, folder):
    """One opaque picture and its caption: the losses of both ways are the same."""
    pixels = np.asarray(Image.open(folder / "a.png").convert("RGB"))
    shutil.rmtree(folder)
    folder.mkdir()
    Image.fromarray(pixels).save(folder / "a.png")
    (folder / "a.txt").write_text("a dog")
    core = {
        "files": node("LoadImageTextDataSetFromFolder", folder="trained_on"),
        "encoded": node("MakeTrainingDataset", images=["files", 0], vae=["load", 2], clip=["load", 1], texts=["files", 1]),
        "set": node("LoRACanvasImportCoreDataset", latents=["encoded", 0], conditioning=["encoded", 1], repeats=1),
    }
    ours = {"set": load(trigger_word=""), "cut": buckets(["set", 0])}
    theirs = losses(comfy.run(graph(sd15_checkpoint, core, ["set", 0], batch_size=1)))
    expected = losses(comfy.run(graph(sd15_checkpoint, ours, ["cut", 0], batch_size=1)))
    assert theirs == pytest.approx(expected, rel=1e-4)


def test_a_second_run_encodes_nothing(comfy, sd15_checkpoint, folder, monkeypatch):
    from pack.host.model.images import ComfyImageEncoder
    from pack.host.model.text import ComfyTextEncoder

    encoded = []

    def counted(original):
        def encode(self, what):
            if detect_fake_mode() is None:  # the plan of memory is made on fakes
                encoded.append(what)
            return original(self, what)

        return encode

    for kind in (ComfyImageEncoder, ComfyTextEncoder):
        monkeypatch.setattr(kind, "encode", counted(kind.encode))

    def run() -> int:
        encoded.clear()
        comfy.run(graph(sd15_checkpoint, {"set": load(), "cut": buckets(["set", 0])}, ["cut", 0], cache_to_disk=True))
        return len(encoded)

    assert run() > 0 and run() == 0
    (folder / "a.txt").write_text("another caption")
    assert run() == 1
    Image.new("RGB", (64, 64)).save(folder / "a.png")
    assert run() == 1


def test_a_weight_that_comfyui_leaves_uninitialised_is_no_part_of_the_identity(comfy, sd15_checkpoint):
    """SD1.5 files lack CLIP's text_projection; ComfyUI keeps whatever the memory held."""
    from pack.host.model.text import ComfyTextEncoder

    clip = load_parts(comfy, sd15_checkpoint).clip
    before = ComfyTextEncoder(clip).identity
    transformer = clip.cond_stage_model.clip_l.transformer
    with torch.inference_mode():
        transformer.text_projection.weight.fill_(float("nan"))
    assert ComfyTextEncoder(clip).identity == before
    texts = TextCache(ComfyTextEncoder(clip))
    texts.encode_missing(["a dog"])
    assert texts.get("a dog").tensors["cond"].isfinite().all()
    with torch.inference_mode():
        transformer.text_model.encoder.layers[0].mlp.fc1.weight.mul_(1.001)
    assert ComfyTextEncoder(clip).identity != before


def test_bad_pictures_stop_the_run_unless_told(comfy, sd15_checkpoint, folder):
    (folder / "b.png").write_bytes((folder / "b.png").read_bytes()[:-200])
    (folder / "c.txt").write_text("")
    nodes = {"set": load(trigger_word=""), "cut": buckets(["set", 0])}
    with pytest.raises(NodeFailed) as caught:
        comfy.run(graph(sd15_checkpoint, nodes, ["cut", 0]))
    assert "b.png: is damaged" in caught.value.message and "1 picture without a caption: c.png" in caught.value.message
    (folder / "c.txt").write_text("c dog")
    assert len(losses(comfy.run(graph(sd15_checkpoint, nodes, ["cut", 0], skip_bad_pictures=True)))) == 2
