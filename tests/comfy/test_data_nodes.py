"""Load Dataset and Bucket Config in a real ComfyUI."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pack.tests.comfy.inprocess import PromptRefused

DATASET = "LoRACanvasLoadDataset"


@pytest.fixture
def pictures(comfy):
    """input/doggies with two pictures and their captions; removed afterwards."""
    folder = comfy.base / "input" / "doggies"
    (folder / "3_dog").mkdir(parents=True)
    for name, size in (("a", (96, 64)), ("b", (64, 64))):
        Image.fromarray(np.full((size[1], size[0], 3), 200, np.uint8)).save(folder / "3_dog" / f"{name}.png")
        (folder / "3_dog" / f"{name}.txt").write_text(f"{name} dog")
    yield folder
    shutil.rmtree(folder)


def graph(**widgets) -> dict:
    """Load Dataset -> Bucket Config -> previews that make ComfyUI run them."""
    return {
        "1": {"class_type": DATASET, "inputs": {
            "folder": "doggies", "repeats": 1, "caption_extension": ".txt", "trigger_word": "", "captions_from": "auto",
            "transparency": "white background", "masks": "none", "mask_folder": "", "regularisation_folder": "",
            "prior_loss_weight": 1.0, "validation_fraction": 0.0, "validation_folder": "", "sub_folders": True, **widgets}},
        "2": {"class_type": "LoRACanvasBucketConfig", "inputs": {
            "dataset": ["1", 0], "resolution": 64, "min_bucket": 64, "max_bucket": 128, "bucket_step": 8, "no_upscale": False,
            "more_resolutions": "", "crop": "centre", "random_crops": 4, "flip": False, "small_buckets": "short batches",
            "batch_size": 2}},
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["1", 2]}},
        "4": {"class_type": "PreviewImage", "inputs": {"images": ["2", 2]}},
    }  # fmt: skip


def test_a_folder_becomes_a_dataset(comfy, pictures):
    result = comfy.run(graph(trigger_word="ohwx", repeats=2))
    dataset, report, preview = (result.value("1", slot) for slot in range(3))
    assert [(s.name, s.caption, s.repeats) for s in dataset.samples] == [("3_dog/a.png", "a dog", 6), ("3_dog/b.png", "b dog", 6)]
    assert dataset.captions.trigger == "ohwx" and "2 pictures, 12 draws an epoch" in report
    assert preview.ndim == 4 and preview.shape[-1] == 3 and preview.dtype == torch.float32
    bucketed, report, preview = (result.value("2", slot) for slot in range(3))
    assert bucketed.buckets.resolution == 64 and bucketed == dataset.with_buckets(bucketed.buckets)
    assert "64 x 64: 2 pictures, 12 draws, 6 batches" in report and preview.shape[-1] == 3


def test_only_edits_make_it_run_again(comfy, pictures):
    executor = comfy.new_executor()

    def ran() -> bool:
        return "1" not in comfy.run(graph(), executor).events_named("execution_cached")[0]["nodes"]

    assert ran() and not ran()
    (pictures / "3_dog" / "a.txt").write_text("A dog")
    assert ran() and not ran()
    Image.new("RGB", (96, 64)).save(pictures / "3_dog" / "a.png")
    assert ran() and not ran()


@pytest.mark.parametrize("wired", ["folder", "validation_folder"])
def test_a_folder_from_another_node_runs_again_when_its_content_changes_and_only_then(comfy, pictures, wired):
    """As one that is typed; also when the wire gives another folder and the first one again."""
    executor, other = comfy.new_executor(), comfy.base / "input" / "kittens"
    shutil.copytree(pictures, other, dirs_exist_ok=True)

    def ran(value: str = "doggies") -> bool:
        prompt = {**graph(**{wired: ["0", 0]}), "0": {"class_type": "PrimitiveString", "inputs": {"value": value}}}
        result = comfy.run(prompt, executor)
        captions.append({sample.name: sample.caption for sample in result.value("1").samples}.get("3_dog/a.png"))
        return "1" not in result.events_named("execution_cached")[0]["nodes"]

    captions = []
    assert ran() and not ran()
    (pictures / "3_dog" / "a.txt").write_text("edited")
    assert ran() and not ran() and captions[-1] == "edited"
    assert ran("kittens") and not ran("kittens")
    (pictures / "3_dog" / "a.txt").write_text("edited again")
    assert ran() and not ran() and captions[-1] == "edited again"
    (other / "3_dog" / "b.png").unlink()
    assert ran("kittens") and not ran("kittens")
    shutil.rmtree(other)


@pytest.mark.parametrize("folder, says", [("doggie", "Did you mean 'doggies'"), ("", "folder is empty"), ("../output", "not a folder")])
def test_a_wrong_folder_is_explained(comfy, pictures, folder, says):
    with pytest.raises(PromptRefused) as caught:
        comfy.run(graph(folder=folder))
    assert "node 1 (LoRACanvasLoadDataset): " in str(caught.value) and says in str(caught.value)


def test_wrong_settings_name_the_node(comfy, pictures):
    prompt = graph()
    prompt["2"]["inputs"].update(min_bucket=72, max_bucket=64)
    with pytest.raises(PromptRefused, match="min_bucket .72. is above max_bucket"):
        comfy.run(prompt)


def test_absolute_folders_depend_on_who_can_reach_comfyui(comfy, pictures, tmp_path, monkeypatch):
    outside = tmp_path / "outside"
    shutil.copytree(pictures, outside)
    cli = comfy.module("comfy.cli_args").args
    assert comfy.run(graph(folder=str(outside))).value("1").samples
    monkeypatch.setattr(cli, "listen", "0.0.0.0,::")
    with pytest.raises(PromptRefused, match="lies outside 'input'"):
        comfy.run(graph(folder=str(outside)))
    with pytest.raises(PromptRefused, match="regularisation_folder"):
        comfy.run(graph(regularisation_folder=str(outside)))
    assert comfy.run(graph(folder=str(pictures))).value("1").samples
    monkeypatch.setenv("LORA_CANVAS_DATASET_ROOTS", str(tmp_path))
    assert comfy.run(graph(folder=str(outside))).value("1").samples


def test_the_index_lies_where_http_does_not_reach(comfy, pictures):
    comfy.run(graph())
    assert (Path(comfy.folder_paths.get_user_directory()) / "__lora_canvas" / "pictures.sqlite").is_file()
