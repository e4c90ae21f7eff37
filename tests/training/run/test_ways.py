"""A run keeps to a choice of what its memory holds; what it learns is the same, bit by bit."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from pack.tests.training.memory.fakes import LateLane
from pack.tests.training.network.models import Tower
from pack.tests.training.run.fakes import COST, Bench, TinyDenoiser
from pack.training.errors import SettingsError
from pack.training.events import StepDone
from pack.training.memory import activations, cheaply, states
from pack.training.memory.choice import MemoryChoice
from pack.training.optim.schedules import Constant, Schedule
from pack.training.optim.spec import OptimizerSpec
from pack.training.run import build
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
        self.cost = replace(COST, state=20_000)  # too much to come back to the device


ALL, NONE = MemoryChoice(recompute="all"), MemoryChoice(recompute="none")
SOME = MemoryChoice(recompute=("diffusion_model/tower.layers.0", "diffusion_model/tower.layers.2"))
AWAY = MemoryChoice(recompute="none", activations="main memory")
CHOICES = [ALL, SOME, AWAY, MemoryChoice(recompute="all", activations="main memory", state="main memory"),
           MemoryChoice(recompute="none", state="main memory"), MemoryChoice(recompute="cheap"),
           MemoryChoice(recompute="cheap", activations="main memory")]
RUNS = {
    "plain": {},
    "batch and accumulation": {"batch_size": 2, "gradient_accumulation": 2},
    "EMA": {"optimizer": {"ema_decay": 0.9}},
    "schedule-free": {"optimizer": {"optimizer": "ScheduleFreeAdamW"}, "validate_every_n_steps": 2, "save_every_n_steps": 2},
    "8-bit": {"optimizer": {"optimizer": "AdamW8bit"}},
    "one rate for all": {"optimizer": {"optimizer": "Prodigy", "learning_rate": 1.0}},
}


@pytest.fixture(autouse=True)
def lanes(monkeypatch):
    """Main memory that is another memory than the device's, and nothing too small for it. All lanes that were made."""
    made = []
    monkeypatch.setattr(build, "lane_of", lambda device: made.append(LateLane()) or made[-1])
    monkeypatch.setattr(activations, "LEAST", 1)
    monkeypatch.setattr(cheaply, "LEAST", 1)
    monkeypatch.setattr(activations, "WINDOW", 1000)
    monkeypatch.setattr(states, "LEAST", 1)
    monkeypatch.setattr(states, "AT_ONCE", 100)
    return made


def bench(folder, choice, *, steps=4, optimizer=None, **run) -> DeepBench:
    spec = OptimizerSpec(schedule=Schedule(Constant()), **{"learning_rate": 1e-2, **(optimizer or {})})
    return DeepBench(folder=folder / "run", run_spec=RunSpec(steps=steps, **run), optimizer=spec, memory=choice)


def left(ground: Bench) -> dict[str, bytes]:
    """Every LoRA and the state."""
    return {path.name: path.read_bytes() for path in sorted(ground.folder.rglob("*")) if path.suffix in (".safetensors", ".state")}


@pytest.mark.parametrize("settings", RUNS.values(), ids=RUNS)
def test_every_choice_learns_the_same(tmp_path, lanes, settings):
    plain = bench(tmp_path / "plain", NONE, **settings)
    plain.run()
    assert not lanes[0].copied
    for number, choice in enumerate(CHOICES):
        ground = bench(tmp_path / str(number), choice, **settings)
        ground.run()
        assert bool(lanes[-1].copied) == ("main memory" in (choice.activations, choice.state))
        assert left(ground) == left(plain)


@pytest.mark.parametrize("settings", [{}, {"optimizer": {"ema_decay": 0.9}}], ids=["plain", "EMA"])
def test_a_resume_may_choose_anew(tmp_path, settings):
    whole, parted = bench(tmp_path / "whole", NONE, steps=8, **settings), bench(tmp_path / "parted", ALL, steps=2, **settings)
    whole.run()
    parted.run()
    for steps, choice in ((4, CHOICES[3]), (6, SOME), (8, AWAY)):
        parted.run_spec, parted.memory = RunSpec(steps=steps), choice
        parted.run(parted.folder / "state" / "training.state")
    assert left(whole) == left(parted)


def test_a_run_may_choose_anew_between_its_steps(tmp_path, monkeypatch):
    plain, turned = bench(tmp_path / "plain", NONE), bench(tmp_path / "turned", NONE)
    plain.run()
    trainers, choices = [], [CHOICES[3], NONE, CHOICES[4]]
    kept = build.Trainer.keep_to
    monkeypatch.setattr(build.Trainer, "keep_to", lambda trainer, choice: trainers.append(trainer) or kept(trainer, choice))
    turned.on_event = lambda event: kept(trainers[0], choices.pop()) if isinstance(event, StepDone) and choices else None
    turned.run()
    assert not choices and left(turned) == left(plain)


def test_an_update_that_is_cut_short_between_two_pieces_is_undone(tmp_path, monkeypatch):
    """Memory runs out in the first update, when some parameters have been updated and their state rests already."""
    plain, cut = bench(tmp_path / "plain", NONE), bench(tmp_path / "cut", CHOICES[4])
    plain.run()
    calls, step = [], torch.optim.AdamW.step

    def failing(optimizer):
        calls.append(len(optimizer.param_groups[0]["params"]))
        if len(calls) == 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return step(optimizer)

    monkeypatch.setattr(torch.optim.AdamW, "step", failing)
    cut.run()
    assert len(calls) > 4 * 4 and left(cut) == left(plain)


def test_pages_are_bitsandbytes_alone(tmp_path):
    with pytest.raises(SettingsError, match="only that of bitsandbytes' optimizers can"):
        bench(tmp_path, MemoryChoice(state="paged")).run()


def test_without_a_choice_the_switch_of_before_decides(tmp_path):
    chosen = [bench(tmp_path / str(on), None, gradient_checkpointing=on).run().built.room.way.choice for on in (True, False)]
    assert chosen == [MemoryChoice(recompute="all"), MemoryChoice(recompute="none")]


def test_a_step_that_must_be_measured_is_measured_in_the_runs_own_way(tmp_path):
    """The host lends no fakes."""
    held = {}
    for choice in (NONE, MemoryChoice(recompute="cheap"), ALL):
        ground = bench(tmp_path / str(choice.recompute), choice, steps=1)
        ground.cost = None
        held[choice.recompute] = ground.run().built.room.costs.beside(choice)
    assert held["all"] < held["cheap"] < held["none"]
