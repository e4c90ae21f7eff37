"""Distributions of noise levels against hand-computed numbers (research tables of kohya, SD3 paper)."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pack.training.objective.timesteps import (
    CosMap,
    FluxShift,
    Given,
    LogitNormal,
    Mode,
    ModelTable,
    Shift,
    Sigmoid,
    Uniform,
    Window,
    shift,
    stratify,
)

from .fakes import sd_sigmas

GIVEN = Given(tokens=4096, sigmas=(torch.arange(1, 1001) / 1000).float())
ALL = (Uniform(), LogitNormal(), Sigmoid(), Shift(), FluxShift(), Mode(), CosMap(), ModelTable())


def at(choice, u: float, given: Given = GIVEN) -> float:
    return choice.quantile(torch.tensor([u], dtype=torch.float64), given).item()


@pytest.mark.parametrize(
    "pixels, mu, k", [(512, 0.630, 1.878), (768, 0.847, 2.332), (1024, 1.150, 3.158), (1280, 1.540, 4.665), (1536, 2.017, 7.513)]
)
def test_flux_shift_table(pixels, mu, k):
    tokens = (pixels // 16) ** 2
    assert FluxShift().k(tokens) == pytest.approx(k, abs=5e-4)
    assert math.log(FluxShift().k(tokens)) == pytest.approx(mu, abs=5e-4)


def test_flux_shift_of_the_median_is_e_mu_over_e_mu_plus_one():
    # sigma0 = 0.5: e^1.15 / (e^1.15 + 1) = 3.1582 / 4.1582
    assert at(FluxShift(), 0.5) == pytest.approx(0.759511, abs=1e-6)


def test_shift_by_hand():
    # 3 * 0.5 / (1 + 2 * 0.5) = 0.75; 3 * 0.25 / (1 + 2 * 0.25) = 0.5
    assert shift(torch.tensor([0.5, 0.25]), 3.0).tolist() == pytest.approx([0.75, 0.5])
    assert at(Shift(k=3.0), 0.5) == pytest.approx(0.75)


def test_sigmoid_and_logit_normal_by_hand():
    # the normal quantile of 0.841344746 is 1: sigmoid(1) = 0.731059
    assert at(Sigmoid(), 0.841344746) == pytest.approx(0.7310586, abs=1e-6)
    assert at(Sigmoid(scale=2.0), 0.841344746) == pytest.approx(0.8807971, abs=1e-6)
    assert at(LogitNormal(mean=0.5, std=1.0), 0.5) == pytest.approx(0.6224593, abs=1e-6)


def test_mode_by_hand():
    # at u = 0.5 symmetric; at u = 0.25 (v = 0.75): 0.25 - s (cos^2(67.5 deg) - 0.25) = 0.25 + 1.29 * 0.1035534
    assert at(Mode(), 0.5) == pytest.approx(0.5)
    assert at(Mode(scale=1.29), 0.25) == pytest.approx(0.25 + 1.29 * 0.1035534, abs=1e-6)
    assert at(Mode(scale=0.0), 0.3) == pytest.approx(0.3)


def test_cosmap_by_hand():
    # tan(pi/4) = 1: 1 - 1/2; tan(pi/8) = 0.4142136: 1 - 1/1.4142136
    assert at(CosMap(), 0.5) == pytest.approx(0.5)
    assert at(CosMap(), 0.25) == pytest.approx(0.2928932, abs=1e-6)


def test_model_table_reads_the_flow_table_and_is_uniform_on_discrete_models():
    table = shift((torch.arange(1, 1001) / 1000).float(), 3.0)
    assert at(ModelTable(), 0.499, Given(tokens=1, sigmas=table)) == pytest.approx(0.75)
    assert at(ModelTable(), 0.3, Given(tokens=1, sigmas=sd_sigmas())) == pytest.approx(0.3)


@pytest.mark.parametrize("choice", ALL, ids=lambda c: type(c).__name__)
@given(u=st.tuples(st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True)))
def test_every_quantile_function_rises_within_0_and_1(choice, u):
    low, high = sorted(u)
    assert -1e-9 <= at(choice, low) <= at(choice, high) + 1e-9 <= 1 + 2e-9


def test_sigmoid_has_the_mass_of_a_normal():
    u = torch.rand(200_000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    p = Sigmoid().quantile(u, GIVEN)
    # P(sigmoid(N) < 0.25) = P(N < -ln 3) = 0.13597
    assert (p < 0.25).double().mean().item() == pytest.approx(0.13597, abs=3e-3)


def test_window_and_strata_by_hand():
    assert Window(minimum=200, maximum=700).apply(torch.tensor([0.0, 0.5, 1.0])).tolist() == pytest.approx([0.2, 0.45, 0.7])
    assert stratify(torch.tensor(0.5), (2, 4)).item() == pytest.approx(0.625)
    with pytest.raises(ValueError):
        stratify(torch.tensor(0.5), (4, 4))
    assert Window(minimum=5, maximum=5).problems()
