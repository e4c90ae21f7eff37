"""Offset, multi-resolution noise and input perturbation, one item at a time."""

import pytest
import torch

from pack.training.objective.noise import NoiseSpec, draw_noise, multires_noise, noise_offset


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_plain_noise_is_the_generators_normal_numbers():
    noise, perturbation = draw_noise(torch.zeros(4, 8, 8), NoiseSpec(), generator())
    assert torch.equal(noise, torch.randn(4, 8, 8, generator=generator()))
    assert perturbation is None


def test_offset_is_one_number_a_channel():
    plain = torch.randn(4, 8, 8, generator=generator())
    noise, _ = draw_noise(torch.zeros(4, 8, 8), NoiseSpec(offset=0.05), generator())
    difference = noise - plain
    assert difference.flatten(1).std(1).max() < 1e-6
    stream = generator()
    torch.randn(4, 8, 8, generator=stream)
    torch.testing.assert_close(difference[:, 0, 0], 0.05 * torch.randn(4, generator=stream))


def test_adaptive_offset_by_hand():
    # channel means 0, 2 and -4: strength 0.1 + 0.05 |mean| = 0.1, 0.2, 0.3
    x0 = torch.tensor([0.0, 2.0, -4.0]).view(3, 1, 1).expand(3, 5, 5)
    offset = noise_offset(x0, 0.1, 0.05, False, generator())
    expected = torch.tensor([0.1, 0.2, 0.3]) * torch.randn(3, generator=generator())
    torch.testing.assert_close(offset.flatten(), expected)


def test_adaptive_offset_never_turns_negative():
    x0 = torch.full((2, 4, 4), 10.0)
    assert noise_offset(x0, 0.1, -0.05, False, generator()).abs().max() == 0


def test_random_strength_scales_the_offset_by_at_most_one():
    fixed = noise_offset(torch.zeros(2, 4, 4), 0.1, 0.0, False, generator())
    drawn = generator()
    factor = torch.rand((), generator=drawn, dtype=torch.float64).item()
    random = noise_offset(torch.zeros(2, 4, 4), 0.1, 0.0, True, generator())
    torch.testing.assert_close(random.flatten(), 0.1 * factor * torch.randn(2, generator=drawn))
    assert random.shape == fixed.shape == (2, 1, 1)


def test_multires_noise_has_deviation_one_and_more_low_frequencies():
    plain = torch.randn(4, 64, 64, generator=generator())
    pyramid = multires_noise(plain, 6, 0.5, generator(1))
    assert pyramid.std().item() == pytest.approx(1.0, abs=1e-5)

    def coarse(x):
        return torch.nn.functional.avg_pool2d(x[None], 16).std().item()

    assert coarse(pyramid) > 1.5 * coarse(plain)


def test_one_layer_of_multires_is_full_size_noise():
    plain = torch.randn(4, 8, 8, generator=generator())
    stream = generator(1)
    torch.rand((), generator=stream, dtype=torch.float64)
    total = plain + torch.randn(1, 4, 8, 8, generator=stream)[0]
    torch.testing.assert_close(multires_noise(plain, 1, 0.3, generator(1)), total / total.std())


def test_perturbation_by_hand():
    noise, perturbation = draw_noise(torch.zeros(2, 4, 4), NoiseSpec(input_perturbation=0.1), generator())
    stream = generator()
    assert torch.equal(noise, torch.randn(2, 4, 4, generator=stream))
    torch.testing.assert_close(perturbation, 0.1 * torch.randn(2, 4, 4, generator=stream))


def test_settings_without_effect_or_out_of_range_are_problems():
    assert "random_strength" in NoiseSpec(random_strength=True).problems()[0]
    assert "noise_offset is 2" in NoiseSpec(offset=2.0).problems()[0]
    assert NoiseSpec(multires_discount=1.5).problems()
