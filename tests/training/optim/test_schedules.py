"""Schedules against hand-computed numbers and diffusers' own schedulers."""

import math

import pytest
import torch
from diffusers.optimization import get_scheduler

from pack.training.drawing.schedule_plot import rate_curves, schedule_preview
from pack.training.errors import SettingsError
from pack.training.optim.menu import SCHEDULERS
from pack.training.optim.schedules import Constant, Cosine, Schedule
from pack.training.optim.spec import OptimizerSpec

from .fakes import from_widgets


def curve(total: int = 100, **settings) -> list[float]:
    multiplier = from_widgets(**{"warmup_percent": 0, **settings}).schedule.multiplier(total)
    return [multiplier(step) for step in range(total)]


def test_by_hand():
    assert curve(scheduler="constant") == [1.0] * 100
    assert curve(scheduler="linear")[25] == pytest.approx(0.75)
    assert curve(scheduler="cosine")[50] == pytest.approx(0.5)
    assert curve(scheduler="cosine")[25] == pytest.approx(0.5 * (1 + math.cos(math.pi / 4)))
    # two cycles of 50: half way through the second is 0.5 again
    assert curve(scheduler="cosine_with_restarts", scheduler_cycles=2)[75] == pytest.approx(0.5)
    assert curve(scheduler="cosine_with_restarts", scheduler_cycles=2)[50] == pytest.approx(1.0)
    assert curve(scheduler="polynomial", scheduler_power=2)[50] == pytest.approx(0.25, abs=1e-6)
    pieces = curve(scheduler="piecewise_constant", scheduler_pieces="1:10, 0.5:20, 0.1")
    assert (pieces[9], pieces[10], pieces[20], pieces[99]) == (1.0, 0.5, 0.1, 0.1)


def test_warmup_in_steps_or_percent():
    steps = curve(scheduler="constant_with_warmup", warmup_steps=10)
    assert (steps[0], steps[5], steps[10]) == (0.0, 0.5, 1.0)
    assert curve(scheduler="constant_with_warmup", warmup_percent=10) == steps
    assert Schedule(Cosine(), warmup_steps=3, warmup_percent=50).warmup(100) == 3
    assert Schedule(Constant(), warmup_percent=50).warmup(100) == 0


def test_the_floor_is_reached_at_the_end_and_not_in_the_warmup():
    values = curve(scheduler="linear", warmup_steps=10, min_lr_ratio=0.1)
    assert values[0] == 0.0
    assert values[10] == pytest.approx(1.0)
    # half way down: 0.1 + 0.9 / 2
    assert values[55] == pytest.approx(0.55)
    assert values[99] == pytest.approx(0.1 + 0.9 / 90)  # one step above it


@pytest.mark.parametrize("name", [name for name in SCHEDULERS if name != "piecewise_constant"])
def test_the_same_as_a_diffusers_scheduler(name):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = get_scheduler(name, optimizer, num_warmup_steps=7, num_training_steps=60, num_cycles=3, power=2.0)
    expected = []
    for _ in range(60):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    found = curve(60, scheduler=name, warmup_steps=0 if name == "constant" else 7, scheduler_cycles=3, scheduler_power=2.0)
    assert found == pytest.approx(expected, abs=1e-12)


def test_bad_pieces_are_explained():
    with pytest.raises(SettingsError, match="must be like '1:500,0.5:800,0.1'"):
        from_widgets(scheduler="piecewise_constant", scheduler_pieces="1:10:0.5")


def test_preview_shows_both_parts_and_the_stop():
    spec = OptimizerSpec(learning_rate=1e-4, text_encoder_lr=5e-5, schedule=Schedule(Constant()), stop_text_encoder_at=50)
    curves = rate_curves(spec, 10)
    assert curves["diffusion model"].tolist() == [1e-4] * 10
    assert curves["text encoders"].tolist() == [5e-5] * 5 + [0.0] * 5
    image = schedule_preview(spec, 10, size=(256, 128))
    assert image.shape == (1, 128, 256, 3) and 0 <= image.min() and image.max() <= 1
    assert image.std() > 0.01
    for odd in (OptimizerSpec(learning_rate=-1e-4), OptimizerSpec(learning_rate=0, text_encoder_lr=1e-5)):
        assert schedule_preview(odd, 1).shape == (1, 512, 1024, 3)


def test_a_warm_up_that_outlasts_the_run_is_told():
    (text,) = Schedule(Cosine(), warmup_steps=300).outlasts(300)
    assert text.startswith("the warm-up of 300 steps is as long as the run of 300, or longer") and "30 here" in text
    quiet = Schedule(Cosine(), warmup_steps=299), Schedule(Cosine(), warmup_percent=5.0), Schedule(Constant(), warmup_steps=500)
    assert [schedule.outlasts(300) for schedule in quiet] == [[], [], []]
