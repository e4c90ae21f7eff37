"""Schedules against hand-computed numbers and diffusers' own schedulers."""

import math

import pytest
import torch
from diffusers.optimization import get_scheduler
from transformers import optimization

from pack.training.drawing.schedule_plot import rate_curves, schedule_preview
from pack.training.errors import SettingsError
from pack.training.optim.menu import SCHEDULERS
from pack.training.optim.schedules import Constant, Cosine, Schedule
from pack.training.optim.spec import OptimizerSpec

from .fakes import from_widgets

_OF_OURS = ("piecewise_constant", "inverse_sqrt", "warmup_stable_decay")


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
    # three of 100 / 3 steps: at 50 the second is half done; the third begins anew
    assert curve(scheduler="polynomial", scheduler_power=2, scheduler_cycles=3)[50] == pytest.approx(0.25, abs=1e-6)
    assert curve(scheduler="polynomial", scheduler_cycles=4)[25] == pytest.approx(1.0)
    assert curve(scheduler="polynomial", scheduler_cycles=4)[24] == pytest.approx(0.04, abs=1e-6)
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


def test_inverse_square_root_by_hand():
    values = curve(100, scheduler="inverse_sqrt", warmup_steps=10)
    assert values[:11] == pytest.approx([step / 10 for step in range(11)])
    assert values[40] == pytest.approx(0.5)  # 3 timescales of 10 after the warm-up: sqrt(10 / 40)
    assert values[99] == pytest.approx(math.sqrt(10 / 99))
    own = curve(100, scheduler="inverse_sqrt", warmup_steps=10, scheduler_timescale=30)
    assert (own[10], own[70]) == (1.0, pytest.approx(math.sqrt(30 / 90)))
    assert curve(100, scheduler="inverse_sqrt", warmup_percent=0)[99] == pytest.approx(math.sqrt(10_000 / 10_099))


def test_warm_up_stable_decay_by_hand():
    values = curve(100, scheduler="warmup_stable_decay", warmup_steps=10, scheduler_decay_percent=20.0)
    assert (values[0], values[5], values[10], values[79], values[80]) == (0.0, 0.5, 1.0, 1.0, 1.0)
    assert values[85] == pytest.approx(0.5 * (1 + math.cos(math.pi / 4)))
    assert values[90] == pytest.approx(0.5)
    floored = curve(100, scheduler="warmup_stable_decay", min_lr_ratio=0.2)
    assert (floored[50], floored[90]) == (1.0, pytest.approx(0.2 + 0.8 / 2))
    assert curve(100, scheduler="warmup_stable_decay", scheduler_decay_percent=0.0) == [1.0] * 100
    # a decay of the whole run begins where the warm-up ends
    assert curve(100, scheduler="warmup_stable_decay", warmup_steps=20, scheduler_decay_percent=100.0)[60] == pytest.approx(0.5)


def test_the_same_as_transformers():
    stand_in = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    theirs = optimization.get_inverse_sqrt_schedule(stand_in, num_warmup_steps=7, timescale=20).lr_lambdas[0]
    ours = curve(60, scheduler="inverse_sqrt", warmup_steps=7, scheduler_timescale=20)
    assert ours == pytest.approx([theirs(step) for step in range(60)], abs=1e-12)
    theirs = optimization.get_polynomial_decay_schedule_with_warmup(stand_in, 7, 60, power=1.7).lr_lambdas[0]
    ours = curve(60, scheduler="polynomial", warmup_steps=7, scheduler_power=1.7)
    assert ours == [theirs(step) for step in range(60)]


@pytest.mark.parametrize("name", [name for name in SCHEDULERS if name not in _OF_OURS])
def test_the_same_as_a_diffusers_scheduler(name):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = get_scheduler(name, optimizer, num_warmup_steps=7, num_training_steps=60, num_cycles=3, power=2.0)
    expected = []
    for _ in range(60):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    found = curve(
        60,
        scheduler=name,
        warmup_steps=0 if name == "constant" else 7,
        scheduler_power=2.0,
        scheduler_cycles=1 if name == "polynomial" else 3,
    )
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


def test_each_text_encoder_of_its_own_has_a_curve():
    spec = OptimizerSpec(text_encoder_rates={"clip_l": 5e-5, "clip_g": 0.0}, schedule=Schedule(Constant()))
    curves = rate_curves(spec, 4)
    assert {label: values.tolist() for label, values in curves.items()} == {
        "diffusion model": [1e-4] * 4,
        "clip_l": [5e-5] * 4,
        "clip_g": [0.0] * 4,
    }
    assert schedule_preview(spec, 4).std() > 0.01


def test_a_warm_up_that_outlasts_the_run_is_told():
    (text,) = Schedule(Cosine(), warmup_steps=300).outlasts(300)
    assert text.startswith("the warm-up of 300 steps is as long as the run of 300, or longer") and "30 here" in text
    quiet = Schedule(Cosine(), warmup_steps=299), Schedule(Cosine(), warmup_percent=5.0), Schedule(Constant(), warmup_steps=500)
    assert [schedule.outlasts(300) for schedule in quiet] == [[], [], []]
