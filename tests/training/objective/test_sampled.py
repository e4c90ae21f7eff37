"""A SIGMAS wire as a distribution of noise levels: hand-computed."""

import math

import pytest
import torch

from pack.training.errors import SettingsError
from pack.training.objective.menu import objective_from
from pack.training.objective.objective import Objective
from pack.training.objective.preservation import FewSteps
from pack.training.objective.sampled import SampledSigmas, Steps, steps_of
from pack.training.objective.spec import ObjectiveSpec
from pack.training.objective.timesteps import Given, Window
from pack.training.settings import compared, describe, differences

from .fakes import FakeDenoiser, sd_sigmas

FLOW = (torch.arange(1, 1001) / 1000).float()


def at(steps: Steps, *u: float) -> list[float]:
    return steps.quantile(torch.tensor(u, dtype=torch.float64), Given(tokens=1, sigmas=FLOW)).tolist()


def on_flow(*sigmas: float) -> Steps:
    return steps_of(torch.tensor(sigmas, dtype=torch.float64), "flow", FLOW)


def test_every_step_is_trained_equally_often_and_evenly_within():
    steps = on_flow(1.0, 0.6, 0.2, 0.0)
    assert at(steps, 0, 1 / 6, 1 / 3, 0.5, 5 / 6, 1 - 1e-12) == pytest.approx([0, 0.1, 0.2, 0.4, 0.8, 1.0])


def test_a_piece_is_a_window():
    assert at(on_flow(1.0, 0.95, 0.875), 0, 0.25, 0.5, 0.75) == pytest.approx([0.875, 0.9125, 0.95, 0.975])
    assert at(on_flow(0.875, 0.0), 0, 0.5, 1 - 1e-12) == pytest.approx([0, 0.4375, 0.875])


def test_discrete_models_are_asked_at_the_steps_of_their_table():
    """1000 steps: step 500 is position 0.5; between two entries the logarithm counts; below the first there is nothing."""
    table = sd_sigmas().double()
    between = math.sqrt(table[10] * table[11])
    sigmas = torch.tensor([table[999], table[500], between, 0.0], dtype=torch.float64)
    assert steps_of(sigmas, "epsilon", table.float()).bounds == pytest.approx((0, 0.0105, 0.5, 0.999), abs=1e-6)


@pytest.mark.parametrize("parametrisation", ["epsilon", "v", "flow"])
def test_training_follows_the_wire(parametrisation):
    table = FLOW if parametrisation == "flow" else sd_sigmas()
    sigmas = tuple(table[[899, 799, 699]].tolist())
    objective = Objective(ObjectiveSpec(timesteps=SampledSigmas(sigmas=sigmas)), FakeDenoiser(parametrisation))
    sigma = objective.noise(torch.zeros(200, 4, 2, 2), list(range(200))).sigma
    assert float(sigma.min()) >= sigmas[2] - 1e-6 and float(sigma.max()) <= sigmas[0] + 1e-6
    assert 70 < int((sigma >= sigmas[1]).sum()) < 130
    strata = [(k, 200) for k in range(200)]
    stratified = Objective(ObjectiveSpec(timesteps=SampledSigmas(sigmas=sigmas), stratified=True), FakeDenoiser(parametrisation))
    assert int((stratified.noise(torch.zeros(200, 4, 2, 2), list(range(200)), strata).sigma >= sigmas[1]).sum()) == 100


def test_noise_that_the_model_does_not_know_is_refused():
    with pytest.raises(SettingsError, match="begin at 80, but the model's noisiest level is 14.61"):
        Objective(ObjectiveSpec(timesteps=SampledSigmas(sigmas=(80.0, 1.0, 0.0))), FakeDenoiser("epsilon"))
    with pytest.raises(SettingsError, match="begin at 14.61, but the model's noisiest level is 1:"):
        Objective(ObjectiveSpec(timesteps=SampledSigmas(sigmas=(14.61, 0.0))), FakeDenoiser("flow"))
    assert steps_of(torch.tensor([14.615, 1.0]), "epsilon", sd_sigmas()).bounds[-1] == pytest.approx(0.999)


@pytest.mark.parametrize(
    "sigmas, says",
    [((1.0,), "holds 1 noise levels"), ((), "holds 0"), ((0.0, 0.5, 1.0), "must fall"), ((1.0, 1.0, 0.0), "must fall"),
     ((1.0, float("nan")), "no noise levels"), ((1.0, -0.1), "no noise levels")],
)  # fmt: skip
def test_what_is_no_schedule_is_named(sigmas, says):
    with pytest.raises(SettingsError, match=says):
        objective_from({}, sigmas=sigmas)


def test_it_stands_alone():
    with pytest.raises(SettingsError, match="timesteps is 'shift'"):
        objective_from({"timesteps": "shift"}, sigmas=(1.0, 0.0))
    with pytest.raises(SettingsError, match="leave min_timestep at 0"):
        ObjectiveSpec(timesteps=SampledSigmas(sigmas=(1.0, 0.0)), window=Window(minimum=200))
    spec = objective_from({}, sigmas=(1.0, 0.5))
    assert spec.timesteps == SampledSigmas(sigmas=(1.0, 0.5)) and spec.trained_range() == (0.5, 1.0)
    assert objective_from({"min_timestep": 875}).trained_range() == (0.875, 1.0)


def test_a_resumed_run_must_have_the_same():
    one, other = (ObjectiveSpec(timesteps=SampledSigmas(sigmas=(1.0, low))) for low in (0.5, 0.4))
    assert describe(one.timesteps) == {"type": "SampledSigmas", "sigmas": [1.0, 0.5]}
    assert differences(compared(one), other) == ["timesteps.sigmas was [1.0, 0.5], is now [1.0, 0.4]"]
    assert "timesteps was AutoTimesteps, is now SampledSigmas" in differences(compared(ObjectiveSpec()), one)


def test_few_steps_holds_the_base_where_each_step_begins():
    """Four steps begin at 1, 0.75, 0.5 and 0.25: those levels, each as often, whatever the picture; never 0, where sampling ends."""
    spec = ObjectiveSpec(timesteps=SampledSigmas(sigmas=(1.0, 0.75, 0.5, 0.25, 0.0)), preservation=FewSteps())
    objective = Objective(spec, FakeDenoiser("flow"))
    x0 = torch.zeros(400, 1, 2, 2)
    noising = objective.noise_at_steps(x0, range(400))
    levels, counts = noising.sigma.unique(return_counts=True)
    assert levels.tolist() == pytest.approx([0.25, 0.5, 0.75, 1.0], abs=2e-4)
    assert counts.min() > 70
    again = objective.noise_at_steps(x0[:2], [7, 8])
    assert torch.equal(again.x_t, noising.x_t[7:9]) and torch.equal(again.sigma, noising.sigma[7:9])


def test_few_steps_without_sigmas_is_refused():
    with pytest.raises(SettingsError, match="'few_steps' needs sigmas: connect the scheduler node"):
        objective_from({"preservation": "few_steps"})
