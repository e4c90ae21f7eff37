"""The noise is Stable Diffusion's, errors weigh as those of v do, and the sampler finds a known distribution."""

import pytest
import torch

from pack.demo.world.budget import Budget, rate_at
from pack.demo.world.diffusion import MOST, alphas, noised, sample, steps_of, weights_of


def test_the_first_and_last_step():
    """By hand: 1 - 0.00085; the last is the known 0.00466 of Stable Diffusion 1 (sigma 14.61)."""
    assert alphas()[0].item() == pytest.approx(1 - 0.00085)
    assert ((1 - alphas()[-1]) / alphas()[-1]).sqrt().item() == pytest.approx(14.6146, rel=1e-4)


def test_an_error_of_the_noise_weighs_as_one_of_v():
    """v = a e - s x: with x_t given, an error of e is one of v divided by a."""
    left = torch.tensor([0.81, 0.25])
    x0, noise, wrong = torch.tensor([2.0, -1.0]), torch.tensor([0.5, 1.5]), torch.tensor([0.1, -0.2])
    x_t = noised(x0, noise, left)

    def v_of(e):
        return left.sqrt() * e - (1 - left).sqrt() * (x_t - (1 - left).sqrt() * e) / left.sqrt()

    torch.testing.assert_close((v_of(noise + wrong) - v_of(noise)).square(), weights_of(left) * wrong.square())
    assert weights_of(torch.tensor([1e-4])).item() == MOST


def test_a_batch_has_a_step_from_every_stretch():
    found = steps_of(10, torch.Generator().manual_seed(0))
    assert sorted((found // 100).tolist()) == list(range(10)) and found.tolist() != sorted(found.tolist())


def test_the_sampler_ends_at_the_only_picture_there_is():
    """A world of one picture: the best guess of the noise is known, and every start leads to the picture."""
    picture, left = torch.randn(1, 4, 2, 2, generator=torch.Generator().manual_seed(1)), alphas().float()

    def predict(x, t):
        a = left[t.round().long()].reshape(-1, 1, 1, 1)
        return (x - a.sqrt() * picture) / (1 - a).sqrt()

    found = sample(predict, torch.randn(3, 4, 2, 2, generator=torch.Generator().manual_seed(2)), 40)
    torch.testing.assert_close(found, picture.expand(3, -1, -1, -1), atol=0.05, rtol=0)


def test_a_budget_ends_by_steps_or_by_the_clock():
    assert Budget(steps=8).progress(2) == 0.25
    assert Budget(steps=8, seconds=10, spent=5).progress(2) == pytest.approx(0.5, abs=0.01)
    assert Budget(seconds=1, spent=2).progress(0) == 1.0


def test_the_rate_rises_and_falls():
    assert rate_at(0.0) < 0.05
    assert [rate_at(progress) for progress in (0.03, 0.515, 1.0)] == pytest.approx([1.0, 0.5, 0.0])
