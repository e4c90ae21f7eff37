"""Resuming in a real ComfyUI: what of the graph is another one is named as it was set, before the VAE is asked; nothing is touched."""

import numpy as np
import pytest
from PIL import Image

from pack.tests.comfy.graphs import node, train_graph
from pack.tests.comfy.inprocess import NodeFailed

NAME = "resumed"
CHANGES = {
    "repeats": ("dataset", {"repeats": 2}, "the repeats of 4 pictures: 0.png, 1.png, 2.png and 1 more (that of 0.png was 1, is now 2)"),
    "masks off": ("dataset", {"masks": "none"},
                  "the masks, or what is done with transparency, of 4 pictures: 0.png, 1.png, 2.png and 1 more"),
    "validation split": ("dataset", {"validation_fraction": 0.25}, "was trained, is now held out for validation)"),
    "resolution": ("buckets", {"resolution": 96}, "Bucket Config: resolution was 64, is now 96"),
    "flip": ("buckets", {"flip": True}, "Bucket Config: flip was False, is now True"),
    "network": ("network", {"rank": 8, "alpha": 8.0}, "LoRA Network: rank was 4, is now 8\n  - LoRA Network: alpha was 4.0, is now 8.0"),
    "arguments": ("optimizer", {"extra_arguments": "eps=1e-6"}, "Optimizer: extra_arguments was not set, is now {'eps': 1e-06}"),
    "precision": ("train", {"precision": "bf16"}, "Train LoRA: precision was fp32, is now bf16"),
    "CLIP-skip": ("train", {"clip": ["skip", 0]}, "the CLIP, its CLIP-skip, or what is applied to it, is another one"),
}


@pytest.fixture(scope="module")
def pictures(comfy):
    """Four pictures, captions and masks."""
    folder = comfy.base / "input" / NAME
    folder.mkdir()
    for i in range(4):
        Image.fromarray(np.full((64, 64, 3), 50 * i, np.uint8)).save(folder / f"{i}.png")
        Image.fromarray(np.eye(64, dtype=np.uint8) * 255).save(folder / f"{i}-mask.png")
        (folder / f"{i}.txt").write_text(f"picture {i}")
    return folder


def graph(checkpoint: str, **train) -> dict:
    made = train_graph(checkpoint, NAME, run_name=NAME, **{"steps": 2, **train})
    made["dataset"]["inputs"]["masks"] = "files"
    made["buckets"]["inputs"]["resolution"] = 64
    made["skip"] = node("CLIPSetLastLayer", clip=["load", 1], stop_at_clip_layer=-2)
    return made


@pytest.fixture(scope="module")
def run(comfy, run_prompt, sd15_checkpoint, pictures):
    run_prompt(graph(sd15_checkpoint))
    return comfy.base / "output" / "lora_canvas" / NAME


@pytest.fixture
def refused(comfy, run_prompt, sd15_checkpoint, run, monkeypatch):
    """The message of a resume with other widgets on one node, with the VAE guarded."""
    def ask(where: str = "train", changes=(), **train) -> str:
        monkeypatch.setattr(comfy.module("comfy.sd").VAE, "encode", lambda *given: pytest.fail("a picture was encoded"))
        changed = graph(sd15_checkpoint, steps=3, resume=NAME, **train)
        changed[where]["inputs"].update(changes)
        before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != "log.jsonl"}
        with pytest.raises(NodeFailed) as caught:
            run_prompt(changed)
        assert {path: path.read_bytes() for path in before} == before
        return caught.value.message

    return ask


@pytest.mark.parametrize("case", CHANGES)
def test_what_is_another_one_is_named(refused, case):
    where, changes, named = CHANGES[case]
    message = refused(where, changes)
    assert f"the run '{NAME}' was trained with something else:\n  - " in message and f"{named}\n" in message
    assert "or start a new run that takes over what this one has learned" in message and "Start From LoRA" in message


def test_edited_files_are_named(refused, pictures):
    """Of the same size, as a painter saves them."""
    mask, caption = (pictures / name for name in ("1-mask.png", "2.txt"))
    kept = mask.read_bytes(), caption.read_text()
    Image.fromarray(np.flipud(np.eye(64, dtype=np.uint8) * 255)).save(mask)
    caption.write_text("picture 3")
    try:
        message = refused()
    finally:
        mask.write_bytes(kept[0])
        caption.write_text(kept[1])
    assert "\n  - the captions of 1 picture: 2.png\n  - the masks, or what is done with transparency, of 1 picture: 1.png\n" in message


def test_what_may_change_is_told_and_the_schedule_restarts(run_prompt, sd15_checkpoint, run):
    longer = graph(sd15_checkpoint, steps=4, resume=NAME, resume_schedule="restart")
    longer["optimizer"]["inputs"] |= {"learning_rate": 5e-4}
    result = run_prompt(longer)
    records = [record for data in result.events_named("lora_canvas.run") for record in data["records"]]
    listed, rate = [record["text"] for record in records if record["event"] == "message" and record["topic"] == "resume"]
    assert listed == ("goes on with other settings, which is allowed: Train LoRA: steps was 2, is now 4; "
                      "Optimizer: learning_rate was 0.001, is now 0.0005.")
    assert rate.startswith("the run was to have 2 steps and now has 4. ") and "resume_schedule 'restart' on Train LoRA means: " in rate
