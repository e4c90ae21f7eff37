"""The check of what the demo left sees a missing, empty or broken LoRA, and a picture that shows nothing."""

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from pack.demo.check import problems

STEM = "lora_unet_down_blocks_0"


def lora(path, up=0.5, drop=(), metadata=None):
    weights = {".lora_up.weight": torch.full((4, 2), up), ".lora_down.weight": torch.ones(2, 4), ".alpha": torch.tensor(2.0)}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({STEM + part: value for part, value in weights.items() if part not in drop}, path, metadata or {"ss_steps": "3"})


def picture(path, colours=2):
    image = Image.new("RGB", (64, 64), "white")
    if colours > 1:
        image.paste("black", (0, 0, 32, 64))
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


@pytest.fixture
def base(tmp_path):
    """The folder that ComfyUI ran in, after a demo that went well."""
    lora(tmp_path / "models" / "loras" / "lcfox.safetensors")
    picture(tmp_path / "output" / "lora_canvas" / "test_00001_.png")
    picture(tmp_path / "output" / "lora_canvas" / "lcfox" / "samples" / "step_0001_0.png")
    return tmp_path


def test_all_is_well(base):
    assert problems(base) == []


def test_nothing_there(tmp_path):
    told = "\n".join(problems(tmp_path))
    assert "no LoRA" in told and "no picture with the LoRA" in told and "no picture of the training" in told


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"up": 0.0}, "learned nothing"),
        ({"up": float("nan")}, "not finite"),
        ({"drop": (".lora_down.weight",)}, f"lacks {STEM}.lora_down.weight"),
        ({"drop": (".lora_up.weight",)}, "learned nothing"),
        ({"metadata": {"ss_steps": "0"}}, "ss_steps is '0'"),
        ({"metadata": {"other": "1"}}, "ss_steps is None"),
    ],
)
def test_a_lora_that_is_none(base, change, complaint):
    lora(base / "models" / "loras" / "lcfox.safetensors", **change)
    assert any(complaint in problem for problem in problems(base))


def test_a_picture_of_one_colour(base):
    picture(path := base / "output" / "lora_canvas" / "test_00002_.png", colours=1)
    assert problems(base) == [f"{path} is of one colour"]
