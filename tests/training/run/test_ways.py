"""A run keeps to a choice of what its memory holds; what it learns is the same, bit by bit."""

import pytest
import torch
from torch import nn

from pack.tests.training.network.models import Tower
from pack.tests.training.run.fakes import Bench, TinyDenoiser
from pack.training.memory.choice import MemoryChoice
from pack.training.optim.schedules import Constant, Schedule
from pack.training.optim.spec import OptimizerSpec
from pack.training.specs import RunSpec


class Deep(nn.Module):
    """Three blocks that can be recomputed: (B, 4, H, W) -> the same shape."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(0)
            self.tower, self.text = Tower(depth=3), nn.Linear(3, 4)
        self.requires_grad_(False)

    def forward(self, x, sigma, text):
        hidden = self.tower(x.movedim(1, -1) + self.text(text)[:, None, None])
        return (hidden / (1 + sigma[:, None, None, None])).movedim(-1, 1)


class DeepBench(Bench):
    def __post_init__(self):
        super().__post_init__()
        self.model = Deep()
        self.denoiser = TinyDenoiser(self.model)


ALL, NONE = MemoryChoice(recompute="all"), MemoryChoice(recompute="none")
SOME = MemoryChoice(recompute=("diffusion_model/tower.layers.0", "diffusion_model/tower.layers.2"))
RUNS = {
    "plain": {},
    "batch and accumulation": {"batch_size": 2, "gradient_accumulation": 2},
    "EMA": {"optimizer": {"ema_decay": 0.9}},
    "schedule-free": {"optimizer": {"optimizer": "ScheduleFreeAdamW"}},
    "8-bit": {"optimizer": {"optimizer": "AdamW8bit"}},
}


def bench(folder, choice, *, steps=4, optimizer=None, **run) -> DeepBench:
    spec = OptimizerSpec(learning_rate=1e-2, schedule=Schedule(Constant()), **(optimizer or {}))
    return DeepBench(folder=folder / "run", run_spec=RunSpec(steps=steps, **run), optimizer=spec, memory=choice)


def left(ground: Bench) -> tuple[bytes, bytes]:
    """The LoRA and the state."""
    return ground.file(), (ground.folder / "state" / "state.safetensors").read_bytes()


@pytest.mark.parametrize("settings", RUNS.values(), ids=RUNS)
def test_every_choice_learns_the_same(tmp_path, settings):
    found = []
    for number, choice in enumerate((NONE, ALL, SOME)):
        ground = bench(tmp_path / str(number), choice, **settings)
        ground.run()
        found.append(left(ground))
    assert all(each == found[0] for each in found)


def test_a_resume_may_choose_anew(tmp_path):
    whole, parted = bench(tmp_path / "whole", NONE, steps=6), bench(tmp_path / "parted", ALL, steps=3)
    whole.run()
    parted.run()
    parted.run_spec, parted.memory = RunSpec(steps=6), SOME
    parted.run(parted.folder / "state" / "state.safetensors")
    assert left(whole) == left(parted)


def test_without_a_choice_the_switch_of_before_decides(tmp_path):
    chosen = [bench(tmp_path / str(on), None, gradient_checkpointing=on).run().built.memory for on in (True, False)]
    assert chosen == [MemoryChoice(recompute="all"), MemoryChoice(recompute="none")]
