"""A LoRA file holds what was trained, in numbers that are some."""

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load

from pack.tests.training.run.fakes import Bench
from pack.training.errors import FileError
from pack.training.events import StepDone
from pack.training.lora_file.file import read_lora, read_metadata, write_lora
from pack.training.optim.schedules import Constant, Schedule
from pack.training.optim.spec import OptimizerSpec
from pack.training.specs import RunSpec


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_infinities_and_nan_are_refused(tmp_path, value):
    tensors = {"a.lora_up.weight": torch.zeros(2), "b.lora_up.weight": torch.tensor([1.0, value])}
    with pytest.raises(FileError, match="infinities or NaN in b.lora_up.weight, so it was not saved"):
        write_lora(tmp_path / "bad.safetensors", tensors, {}, torch.float32)
    assert list(tmp_path.iterdir()) == []


def test_what_is_too_large_for_the_dtype_is_refused(tmp_path):
    tensors = {"a.lora_up.weight": torch.tensor([1e5])}
    with pytest.raises(FileError, match="too large for float16.*Choose bf16 or fp32"):
        write_lora(tmp_path / "a.safetensors", tensors, {}, torch.float16)
    write_lora(tmp_path / "a.safetensors", tensors, {}, torch.bfloat16)


def test_parts_that_are_not_trained_are_not_saved(tmp_path):
    """The diffusion model's rate is 0: its adapters are in the state, to go on from, and not in the file."""
    optimizer = OptimizerSpec(learning_rate=0.0, text_encoder_lr=1e-2, schedule=Schedule(Constant()))
    ground = Bench(folder=tmp_path / "run", run_spec=RunSpec(steps=4, gradient_checkpointing=False), train_text=True, optimizer=optimizer)
    ground.run()
    tensors = load(ground.file())
    assert tensors and {name.split(".")[0] for name in tensors} == {"clip_l"}
    with safe_open(ground.folder / "state" / "training.state", "pt") as file:
        assert {name.split(".")[0] for name in file.keys() if name.startswith("adapter/")} == {"adapter/clip_l", "adapter/diffusion_model"}


def test_the_rate_that_is_told_is_the_one_that_acted(tmp_path):
    """Prodigy's first update acts with the estimate that it begins with, 1e-6; what it finds in it is for the next."""
    ground = Bench(folder=tmp_path / "run", run_spec=RunSpec(steps=20, gradient_checkpointing=False),
                   optimizer=OptimizerSpec(optimizer="Prodigy", learning_rate=1.0, schedule=Schedule(Constant())))
    result = ground.run()
    rates = [event.learning_rates["diffusion_model"] for event in ground.recorder.of(StepDone)]
    assert rates[0] == 1e-6 and rates[-1] > rates[0]
    assert rates[-1] <= float(result.built.trainer.updater.optimizer.param_groups[0]["d"])


@pytest.mark.parametrize("content", [b"", b"text", b"\x08" + bytes(7) + b"{}      "[:4]])
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / "fox.safetensors").write_bytes(content)
    for read in (read_lora, read_metadata):
        with pytest.raises(FileError, match=r"'fox\.safetensors' cannot be read"):
            read(tmp_path / "fox.safetensors")
