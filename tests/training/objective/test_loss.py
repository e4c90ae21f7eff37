"""Elementwise losses and their thresholds against hand-computed numbers."""

import math

import pytest
import torch

from pack.training.objective.loss import L1, L2, Huber, LogCosh, SmoothL1, threshold

HALF = torch.tensor(0.5, dtype=torch.float64)


def value(loss, d: float, position=HALF, fraction=HALF) -> float:
    return loss.elementwise(torch.tensor([d], dtype=torch.float64), position, fraction).item()


def test_plain():
    assert value(L2(), -3.0) == 9
    assert value(L1(), -3.0) == 3


def test_constant_threshold_by_hand():
    # d = 0.3, c = 0.4: sqrt(0.09 + 0.16) = 0.5
    assert value(Huber(c=0.4, schedule="constant"), 0.3) == pytest.approx(2 * 0.4 * 0.1)
    assert value(SmoothL1(c=0.4, schedule="constant"), 0.3) == pytest.approx(2 * 0.1)
    # 2 * 0.16 * ln cosh 0.75
    assert value(LogCosh(c=0.4, schedule="constant"), -0.3) == pytest.approx(0.32 * math.log(math.cosh(0.75)))


def test_small_errors_are_quadratic_and_large_ones_linear():
    for loss in (Huber(c=0.1, schedule="constant"), LogCosh(c=0.1, schedule="constant")):
        assert value(loss, 1e-4) == pytest.approx(1e-8, rel=1e-4)
        assert value(loss, 1000.0) == pytest.approx(2 * 0.1 * 1000, rel=1e-3)
    assert value(SmoothL1(c=0.1, schedule="constant"), 1000.0) == pytest.approx(2000, rel=1e-3)
    assert math.isfinite(value(LogCosh(c=0.1, schedule="constant"), 1e6))


def test_exponential_threshold_is_kohyas():
    for t in (0, 250, 999):
        alpha = -math.log(0.1) / 1000
        position = torch.tensor(t / 1000, dtype=torch.float64)
        assert threshold(0.1, "exponential", position, HALF).item() == pytest.approx(math.exp(-alpha * t))


def test_snr_threshold_is_kohyas_and_holds_for_flow():
    sigma = torch.tensor(3.0, dtype=torch.float64)
    fraction = sigma / (1 + sigma)
    # (1 - 0.1) / (1 + 3)^2 + 0.1
    assert threshold(0.1, "snr", HALF, fraction).item() == pytest.approx(0.9 / 16 + 0.1)
    # flow's sigma of 0.75 is the same mix of noise and picture
    assert threshold(0.1, "snr", HALF, torch.tensor(0.75, dtype=torch.float64)).item() == pytest.approx(0.15625)


def test_snr_is_the_default_and_bad_settings_are_named():
    assert Huber().schedule == "snr" and Huber().c == 0.1
    assert "huber_c" in Huber(c=0.0).problems()[0]
    assert "Did you mean 'constant'" in Huber(schedule="constnt").problems()[0]
    assert Huber(c=2.0, schedule="exponential").problems()
    assert not Huber(c=2.0, schedule="constant").problems()
