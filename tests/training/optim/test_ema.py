import pytest
import torch

from pack.training.errors import StateError
from pack.training.optim.ema import EMA


def one(value: float) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.tensor([value]))


def test_average_by_hand():
    weight = one(1.0)
    ema = EMA([("w", weight)], 0.5)
    # decays: min(0.5, 1/10), min(0.5, 2/11), min(0.5, 3/12)
    with torch.no_grad():
        weight.fill_(2.0)
    ema.update()
    assert ema.state_dict()["w"].item() == pytest.approx(0.1 * 1 + 0.9 * 2)
    ema.update()
    assert ema.state_dict()["w"].item() == pytest.approx(2 / 11 * 1.9 + 9 / 11 * 2)


def test_decay_rises_to_its_limit():
    ema = EMA([("w", one(0.0))], 0.999)
    assert ema.decay_at(0) == pytest.approx(0.1)
    assert ema.decay_at(90) == pytest.approx(0.91)
    assert ema.decay_at(10**6) == 0.999


def test_applied_swaps_and_restores_bit_by_bit():
    weight = one(1.0)
    ema = EMA([("w", weight)], 0.9)
    with torch.no_grad():
        weight.fill_(0.1)
    ema.update()
    before = weight.detach().clone()
    with pytest.raises(RuntimeError), ema.applied():
        assert weight.item() == pytest.approx(0.19)
        raise RuntimeError
    assert torch.equal(weight, before)


def test_state_round_trip():
    weight = one(1.0)
    ema = EMA([("w", weight)], 0.9)
    ema.update()
    saved = {name: tensor.clone() for name, tensor in ema.state_dict().items()}
    other = EMA([("w", one(5.0))], 0.9)
    other.load_state_dict(saved)
    assert other.updates == 1 and torch.equal(other.state_dict()["w"], saved["w"])
    with pytest.raises(StateError, match="does not belong"):
        EMA([("v", one(5.0))], 0.9).load_state_dict(saved)
