"""How long a run will be, before Run is pressed."""

import json

import numpy as np
import pytest
from PIL import Image

from pack.tests.comfy.test_routes import ask, root  # noqa: F401  fixtures


@pytest.fixture
def pictures(comfy):
    """Six pictures of one size and one of another, repeated twice by their folder."""
    folder = comfy.base / "input" / "estimated" / "2_fox"
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(7):
        size = (128, 64) if number == 6 else (64, 64)
        Image.fromarray(np.full((*size, 3), number * 20, np.uint8)).save(folder / f"{number}.png")
    return "estimated"


@pytest.fixture
def prompt(pictures):
    def make(folder=pictures, **train) -> dict:
        return {
            "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a"}},
            "2": {"class_type": "LoRACanvasLoadDataset", "inputs": {"folder": folder, "repeats": 1, "caption_extension": ".txt"}},
            "3": {"class_type": "LoRACanvasCaptionConfig", "inputs": {"dataset": ["2", 0], "trigger_word": "ohwx"}},
            "4": {"class_type": "LoRACanvasBucketConfig", "inputs": {
                "dataset": ["3", 0], "resolution": 64, "min_bucket": 32, "max_bucket": 128, "bucket_step": 32, "no_upscale": False}},
            "5": {"class_type": "LoRACanvasTrainLoRA", "inputs": {
                "model": ["1", 0], "dataset": ["4", 0], "steps": 70, "batch_size": 4, "gradient_accumulation": 1, "run_name": "x",
                **train}},
        }

    return make


@pytest.fixture
def estimate(comfy, root):  # noqa: F811
    return comfy.module("pack.host.panel.estimate").estimate


def test_steps_are_counted_as_a_run_counts_them(prompt, estimate):
    """12 draws of one shape in batches of 4 are 3 steps, 2 of the other 1: 4 steps an epoch."""
    assert estimate(prompt(), "5") == {"steps": 70, "epochs": 17.5, "pictures": 7, "seconds_per_step": None}
    assert estimate(prompt(epochs=3), "5") == {"steps": 12, "epochs": 3.0, "pictures": 7, "seconds_per_step": None}
    assert estimate(prompt(gradient_accumulation=4), "5")["epochs"] == 70


def test_what_is_not_known_is_absent(prompt, estimate):
    nothing = {"steps": 70, "epochs": None, "pictures": None, "seconds_per_step": None}
    assert estimate(prompt(folder="no such folder"), "5") == nothing
    assert estimate(prompt(dataset=["9", 0]), "5") == nothing
    assert estimate(prompt(batch_size=["1", 0]), "5") == nothing
    assert estimate(prompt(folder=["1", 0]), "5") == nothing
    assert estimate(prompt(epochs=3, dataset=None), "5") == {"steps": None, "epochs": 3, "pictures": None, "seconds_per_step": None}
    assert estimate({}, "5") == {"steps": None, "epochs": None, "pictures": None, "seconds_per_step": None}


def test_a_picture_that_is_added_counts(prompt, estimate, comfy):
    before = estimate(prompt(), "5")["pictures"]
    path = comfy.base / "input" / "estimated" / "2_fox" / "more.png"
    Image.new("RGB", (64, 64)).save(path)
    assert estimate(prompt(), "5")["pictures"] == before + 1
    path.unlink()
    assert estimate(prompt(), "5")["pictures"] == before


@pytest.fixture
def lay(root, prompt):  # noqa: F811
    """`lay(name, pace, steps, **train)`: a run of the prompt that was measured."""
    def lay(name: str, pace: float, steps: int = 50, **train) -> None:
        (root / name).mkdir(parents=True)
        (root / name / "run.json").write_text(json.dumps({"name": name, "summary": {"seconds_per_step": pace, "steps": steps}}))
        (root / name / "graph.json").write_text(json.dumps({"prompt": prompt(**train), "node": "5", "workflow": None}))

    return lay


@pytest.mark.parametrize("other", [{"batch_size": 2}, {"model": ["7", 0]}, {"memory": "least"}])
def test_time_is_that_of_the_same_work(prompt, estimate, lay, other):
    lay("estimated_other", 9.0, **other)
    lay("estimated_short", 8.0, steps=9)
    assert estimate(prompt(), "5")["seconds_per_step"] is None
    lay("estimated_same", 0.5, steps=50, seed=3, run_name="another", save_every_n_steps=7)
    assert estimate(prompt(seed=1), "5")["seconds_per_step"] == 0.5


def test_the_route(prompt, ask, root):  # noqa: F811
    assert ask("POST", "/lora_canvas/estimate", json={"prompt": prompt(), "node": "5"}).json["epochs"] == 17.5
    assert ask("POST", "/lora_canvas/estimate", json={"prompt": [], "node": "5"}).status == 400
