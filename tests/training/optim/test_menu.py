"""The Optimizer node's widgets become a spec."""

import json

import pytest

from pack.training.errors import SettingsError
from pack.training.optim.menu import SCHEDULERS, Knobs, optimizer_from, read_pieces
from pack.training.optim.rules import GroupRule
from pack.training.optim.schedules import (
    Constant,
    Cosine,
    CosineWithRestarts,
    InverseSquareRoot,
    PiecewiseConstant,
    Polynomial,
    Schedule,
    WarmupStableDecay,
)
from pack.training.optim.spec import OptimizerSpec
from pack.training.settings import compared, describe, differences

from .fakes import from_widgets

PIECES = PiecewiseConstant(pieces=((1.0, 500), (0.5, 800)), last=0.1)


def test_untouched_widgets_are_the_default_spec():
    assert optimizer_from(Knobs()) == OptimizerSpec()


def test_every_scheduler_is_a_type_with_its_own_settings():
    chosen = {name: from_widgets(scheduler=name, scheduler_cycles=3, scheduler_power=2.0, scheduler_pieces="1:500, 0.5:800, .1",
                                 scheduler_timescale=50, scheduler_decay_percent=10.0).schedule
              for name in SCHEDULERS}  # fmt: skip
    assert [schedule.curve.name for schedule in chosen.values()] == list(SCHEDULERS) == [
        "constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts", "polynomial", "inverse_sqrt", "warmup_stable_decay",
        "piecewise_constant",
    ]  # fmt: skip
    assert chosen["cosine_with_restarts"].curve == CosineWithRestarts(cycles=3)
    assert chosen["polynomial"].curve == Polynomial(power=2.0, cycles=3)
    assert chosen["inverse_sqrt"].curve == InverseSquareRoot(timescale=50)
    assert chosen["warmup_stable_decay"].curve == WarmupStableDecay(decay_percent=10.0)
    assert chosen["piecewise_constant"].curve == PIECES


def test_the_rest_of_a_schedule():
    spec = from_widgets(scheduler="constant", warmup_steps=7, warmup_percent=0, min_lr_ratio=0.2)
    assert spec.schedule == Schedule(Constant(), warmup_steps=7, warmup_percent=0, min_lr_ratio=0.2)


@pytest.mark.parametrize("text", ["", "1", "1:5", "1:5,", "1:0.5,1", "1:5;1", "1:-5,1", "1e:5,1", "e:1,e", "a:5,1", "1:10:0.5"])
def test_pieces_that_cannot_be_read(text):
    assert read_pieces(text) == PiecewiseConstant()
    with pytest.raises(SettingsError, match=f"scheduler_pieces is '{text}' but must be like"):
        from_widgets(scheduler="piecewise_constant", scheduler_pieces=text)
    from_widgets(scheduler="cosine", scheduler_pieces=text)


def test_texts_are_parsed_once():
    spec = from_widgets(extra_arguments="betas=0.9,0.99 eps=1e-7", group_rules="clip_g: lr=1e-5\nattn2: off")
    assert spec.extra_arguments == {"betas": (0.9, 0.99), "eps": 1e-7}
    assert spec.group_rules == (
        GroupRule(pattern="clip_g", settings={"lr": 1e-5}), GroupRule(pattern="attn2", settings={"lr": 0.0}),
    )  # fmt: skip


def test_numbers_are_checked_whichever_scheduler_reads_them():
    with pytest.raises(SettingsError) as caught:
        from_widgets(scheduler="linear", scheduler_cycles=0, scheduler_power=0, min_lr_ratio=2, group_rules="a: weight_decay=-1, lr=nan")
    assert caught.value.where == "Optimizer"
    assert caught.value.problems == (
        "min_lr_ratio is 2 but must lie between 0 and 1. Set 'min_lr_ratio' on the Optimizer node.",
        "group_rules: 'a': lr is nan, which is not a finite number.",
        "group_rules: 'a': weight_decay must be at least 0, got -1.",
        "scheduler_cycles is 0 but must lie between 1 and 1000. Set 'scheduler_cycles' on the Optimizer node.",
        "scheduler_power is 0 but must lie between 0.001 and 100. Set 'scheduler_power' on the Optimizer node.",
    )


def test_a_spec_is_told_in_json():
    spec = from_widgets(extra_arguments="betas=0.9,0.99", group_rules="clip_g: lr=1e-5", scheduler="piecewise_constant",
                        scheduler_pieces="1:500,0.5:800,0.1")  # fmt: skip
    told = json.loads(json.dumps(describe(spec), allow_nan=False))
    assert told["extra_arguments"] == {"betas": [0.9, 0.99]}
    assert told["group_rules"] == [{"type": "GroupRule", "pattern": "clip_g", "settings": {"lr": 1e-5}}]
    assert told["schedule"] == {
        "type": "Schedule", "curve": {"type": "PiecewiseConstant", "pieces": [[1.0, 500], [0.5, 800]], "last": 0.1},
        "warmup_steps": 0, "warmup_percent": 5.0, "min_lr_ratio": 0.0,
    }  # fmt: skip
    assert describe(OptimizerSpec())["schedule"]["curve"] == {"type": "Cosine"} == describe(Cosine())


def test_a_run_that_goes_on_may_change_its_schedule_but_not_its_arguments():
    saved = json.loads(json.dumps(compared(from_widgets(extra_arguments="betas=0.9,0.99", group_rules="a: lr=1"))))
    same = from_widgets(extra_arguments="betas=(0.9, 0.99)", group_rules="a: lr=1.0  # the same", scheduler="linear", warmup_steps=3)
    assert differences(saved, same) == []
    assert differences(saved, from_widgets(group_rules="a: lr=1")) == ["extra_arguments was {'betas': [0.9, 0.99]}, is now not set"]


def test_pieces_that_no_step_has_are_told():
    spec = from_widgets(scheduler="piecewise_constant", scheduler_pieces="1:500,0.5:300,0.1")
    assert "no step has the factor 0.5, because a piece until step 500 stands before its 300" in spec.warnings()[0]
    assert not [w for w in from_widgets(scheduler="piecewise_constant", scheduler_pieces="1:500,0.5:800,0.1").warnings() if "pieces" in w]


def test_pieces_without_bounds_are_refused():
    with pytest.raises(SettingsError, match="holds the factor inf"):
        from_widgets(scheduler="piecewise_constant", scheduler_pieces="1e999:500,0.1")
    with pytest.raises(SettingsError, match="scheduler_pieces has 100,000 characters"):
        from_widgets(scheduler="piecewise_constant", scheduler_pieces="1" * 100_000)


def test_rules_that_are_too_long_are_refused():
    with pytest.raises(SettingsError, match="group_rules has 120,000 characters"):
        from_widgets(group_rules="attn: off\n" * 12_000)
    with pytest.raises(SettingsError, match="a pattern has 5,000 characters"):
        from_widgets(group_rules="*" * 5_000 + ": off")
