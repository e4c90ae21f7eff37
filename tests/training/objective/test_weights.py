"""Weights by noise level against the table of research (SD's schedule) and hand-computed numbers."""

import math

import pytest
import torch

from pack.training.objective.target import native_scale, signal_to_noise
from pack.training.objective.weights import P2, CosMapWeighting, Debiased, MinSNR, NoisePredLike, NoWeighting, VPredLike

from .fakes import sd_sigmas

TABLE = [  # t, snr, min-SNR 5 epsilon, min-SNR 5 v, debiased epsilon
    (0, 1175.0, 0.0043, 0.0043, 0.0316),
    (100, 8.45, 0.591, 0.529, 0.344),
    (300, 1.44, 1.0, 0.5905, 0.833),
    (500, 0.382, 1.0, 0.276, 1.618),
    (700, 0.0899, 1.0, 0.0825, 3.33),
    (900, 0.0144, 1.0, 0.0142, 8.35),
    (999, 0.0047, 1.0, 0.0047, 14.6),
]


@pytest.mark.parametrize("t, snr, min_snr, min_snr_v, debiased", TABLE)
def test_the_table(t, snr, min_snr, min_snr_v, debiased):
    sigma = sd_sigmas()[t : t + 1]
    close = {"rel": 1e-2, "abs": 6e-5}
    assert signal_to_noise(sigma, "epsilon").item() == pytest.approx(snr, **close)
    assert MinSNR(gamma=5.0).weight(sigma, "epsilon").item() == pytest.approx(min_snr, **close)
    assert MinSNR(gamma=5.0).weight(sigma, "v").item() == pytest.approx(min_snr_v, **close)
    assert Debiased().weight(sigma, "epsilon").item() == pytest.approx(debiased, **close)


def weigh(weighting, sigma: float, parametrisation: str) -> float:
    return weighting.weight(torch.tensor([sigma], dtype=torch.float64), parametrisation).item()


def test_by_hand_at_snr_a_quarter():
    # sigma 2: SNR = 1/4
    assert weigh(NoWeighting(), 2.0, "epsilon") == 1
    assert weigh(Debiased(), 2.0, "v") == pytest.approx(0.8)
    assert weigh(P2(gamma=1.0), 2.0, "epsilon") == pytest.approx(0.8)
    assert weigh(P2(gamma=0.5), 2.0, "v") == pytest.approx(math.sqrt(0.8))
    assert weigh(NoisePredLike(), 2.0, "v") == pytest.approx(0.2)
    assert weigh(NoisePredLike(), 2.0, "epsilon") == pytest.approx(1.0)
    assert weigh(VPredLike(strength=0.1), 2.0, "epsilon") == pytest.approx(1 + 0.1 * 5)


def test_by_hand_for_flow():
    # sigma 0.25: SNR = 9, 1/c^2 = 1/16
    assert signal_to_noise(torch.tensor([0.25]), "flow").item() == pytest.approx(9)
    assert weigh(MinSNR(gamma=5.0), 0.25, "flow") == pytest.approx(5 / 16)
    assert weigh(Debiased(), 0.25, "flow") == pytest.approx(0.25)
    # 2 / (pi (1 - 0.5 + 0.125))
    assert weigh(CosMapWeighting(), 0.25, "flow") == pytest.approx(2 / (math.pi * 0.625))
    # the same mix of noise and picture, written for the other models: sigma = 1/3
    assert weigh(CosMapWeighting(), 1 / 3, "epsilon") == pytest.approx(2 / (math.pi * 0.625))


def test_noise_pred_like_makes_the_v_loss_the_epsilon_loss():
    sigma = torch.tensor([0.3, 1.0, 7.0], dtype=torch.float64)
    v = NoisePredLike().weight(sigma, "v") * native_scale(sigma, "v") ** 2
    torch.testing.assert_close(v, native_scale(sigma, "epsilon") ** 2)
