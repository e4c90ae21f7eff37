"""Pairs through the real graph: from two folders to a LoRA whose previews are what the graph makes of the same reference."""

import shutil

import pytest
import torch
from PIL import Image

from pack.tests.comfy.graphs import node, train_graph
from pack.tests.comfy.inprocess import NodeFailed
from pack.tests.comfy.tiny_edit import shrink


@pytest.fixture
def folders(comfy):
    """input/after with a and b, input/before with their references; noise of one shape."""
    root = comfy.base / "input"
    for folder in ("after", "before"):
        (root / folder).mkdir()
        for name in ("a", "b"):
            generator = torch.Generator().manual_seed(ord(name) + len(folder))
            pixels = torch.randint(0, 256, (64, 64, 3), generator=generator, dtype=torch.uint8)
            Image.fromarray(pixels.numpy()).save(root / folder / f"{name}.png")
            (root / folder / f"{name}.txt").write_text("make it (blue)")
    yield root
    shutil.rmtree(root / "after")
    shutil.rmtree(root / "before")


def pairs_graph(checkpoint: str, reference_folder: str = "before", **train) -> dict:
    graph = train_graph(checkpoint, "after", **{"steps": 1, "gradient_checkpointing": True, **train})
    graph["dataset"]["inputs"]["reference_folder"] = reference_folder
    graph["buckets"]["inputs"] |= {"resolution": 64, "bucket_step": 64, "min_bucket": 64, "max_bucket": 128}
    graph["network"]["inputs"] |= {"rank": 2, "alpha": 2.0}
    return graph


@pytest.mark.slow
def test_pairs_on_flux(comfy, run_prompt, flux_checkpoint, folders, monkeypatch):
    """Kontext's sizes are cut down to what a CPU can do, for the run and the graph alike."""
    shrink(comfy, monkeypatch)
    preview = {"prompts": "make it red", "every_n_steps": 0, "sampler_name": "euler", "scheduler": "simple", "sampling_steps": 2,
               "cfg": 1.0, "width": 64, "height": 64, "seed": 5, "at_start": False, "at_end": True}
    graph = pairs_graph(flux_checkpoint, run_name="pairs")
    graph |= {"preview": node("LoRACanvasSamplePreview", **preview), "picture": node("LoadImage", image="before/a.png")}
    graph["train"]["inputs"]["preview"] = ["preview", 0]
    graph |= {
        "sized": node("FluxKontextImageScale", image=["picture", 0]),
        "latent": node("VAEEncode", pixels=["sized", 0], vae=["load", 2]),
        "text": node("CLIPTextEncode", clip=["train", 1], text="make it red"),
        "none": node("CLIPTextEncode", clip=["train", 1], text=""),
        "positive": node("ReferenceLatent", conditioning=["text", 0], latent=["latent", 0]),
        "negative": node("ReferenceLatent", conditioning=["none", 0], latent=["latent", 0]),
        "empty": node("EmptyLatentImage", width=64, height=64, batch_size=1),
        "sampled": node("KSampler", model=["train", 0], positive=["positive", 0], negative=["negative", 0], latent_image=["empty", 0],
                        seed=5, steps=2, cfg=1.0, sampler_name="euler", scheduler="simple", denoise=1.0),
        "made": node("VAEDecode", samples=["sampled", 0], vae=["load", 2]),
        "shown": node("PreviewImage", images=["made", 0]),
    }
    result = run_prompt(graph)
    torch.testing.assert_close(result.value("train", 5), result.value("made").cpu(), rtol=0, atol=2e-3)
    loss = result.value("train", 3)["loss"][0]
    assert run_prompt(pairs_graph(flux_checkpoint, "", run_name="plain")).value("train", 3)["loss"][0] != loss


def test_a_model_that_does_not_look_is_refused_before_any_work(run_prompt, sd15_checkpoint, folders):
    with pytest.raises(NodeFailed, match="2 pictures of the dataset have references, but this model .* does not look at any"):
        run_prompt(pairs_graph(sd15_checkpoint))


def test_missing_references_are_named_before_any_work(run_prompt, sd15_checkpoint, folders):
    (folders / "before" / "b.png").unlink()
    with pytest.raises(NodeFailed, match="1 picture without a reference in 'before': b.png"):
        run_prompt(pairs_graph(sd15_checkpoint))


def test_wired_references(run_prompt, folders):
    graph = {
        "a": node("LoadImage", image="after/a.png"), "b": node("LoadImage", image="before/a.png"),
        "set": node("LoRACanvasImagesToDataset", images=["a", 0], repeats=1, references=["b", 0]),
        "merged": node("LoRACanvasMergeDatasets", dataset_a=["set", 0], dataset_b=["set", 0]),
        "text": node("PreviewAny", source=["merged", 1]),
    }
    merged = run_prompt(graph).value("merged")
    assert [len(sample.references) for sample in merged.samples] == [1, 1]
