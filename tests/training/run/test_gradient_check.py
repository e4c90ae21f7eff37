"""The trial of a gradient: what is right passes, what is wrong is refused before the first step."""

from dataclasses import replace

import pytest
import torch

from pack.tests.training.run.fakes import Bench, nothing
from pack.training.errors import ModelError
from pack.training.events import Emitter, Message, StepDone
from pack.training.order import Trial
from pack.training.run.carry_out import carry_out
from pack.training.run.gradient_check import Slope, slope_along_gradient
from pack.training.specs import RunSpec


def tried(bench: Bench, state=None):
    order = bench.order()
    order = replace(order, trial=Trial(model="MadeUp", training=nothing, parts=order.parts))
    return carry_out(order, bench.control, Emitter([bench.recorder]), state)


@pytest.fixture
def bench(tmp_path) -> Bench:
    return Bench(folder=tmp_path / "run", run_spec=RunSpec(steps=2, gradient_checkpointing=False))


def test_the_slope_of_a_parabola():
    """L = (a^2 + 2 b^2) / 2 at (3, 1): the gradient is (3, 2), so along (1, 1) the slope is 5; no third derivative, no error."""
    a, b = (torch.tensor([value], dtype=torch.float64, requires_grad=True) for value in (3.0, 1.0))
    slope = slope_along_gradient(lambda: (a**2 + 2 * b**2).sum() / 2, [a, b])
    assert (slope.promised, slope.found) == pytest.approx((5, 5), rel=1e-9)
    assert (a.item(), b.item()) == (3, 1)


def test_the_error_is_relative_to_the_larger():
    assert Slope(2.0, 1.0).error == Slope(1.0, 2.0).error == 0.5
    assert Slope(0.0, 0.0).error == 0.0


def test_a_right_model_is_trained_and_told(bench):
    assert tried(bench).step == 2
    (told,) = [message.text for message in bench.recorder.of(Message) if message.topic == "gradient"]
    assert told.startswith("MadeUp is new to LoRA Canvas") and "it is right" in told


def test_the_trial_changes_nothing(bench, tmp_path):
    tried(bench)
    plain = Bench(folder=tmp_path / "elsewhere" / "run", run_spec=bench.run_spec)
    plain.run()
    assert bench.file() == plain.file()


class _Halved(torch.autograd.Function):
    """A kernel whose backward gives nine tenths."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        return grad * 0.9


def test_a_wrong_gradient_is_refused_before_the_first_step(bench):
    bench.denoiser.spoil = _Halved.apply
    with pytest.raises(ModelError, match=r"MadeUp\) is wrong: .*(9\.9|10\.0)% off"):
        tried(bench)
    assert bench.recorder.of(StepDone) == []


def test_a_run_that_goes_on_is_not_tried_again(bench):
    tried(bench)
    bench.run_spec = replace(bench.run_spec, steps=3)
    bench.recorder.events.clear()
    assert tried(bench, state=bench.folder / "state" / "training.state").step == 3
    assert not [message for message in bench.recorder.of(Message) if message.topic == "gradient"]
