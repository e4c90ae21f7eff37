"""The loss scale, with torch's GradScaler as the oracle."""

import random

import pytest
import torch

from pack.training.optim.loss_scale import FIRST, GROWS_AFTER, LossScale


def pair() -> tuple[LossScale, torch.amp.GradScaler]:
    return LossScale(enabled=True), torch.amp.GradScaler("cpu", init_scale=FIRST)


def one_update(ours: LossScale, torchs: torch.amp.GradScaler, gradient: float) -> None:
    """The same loss through both; gradients are held against one another, bit by bit."""
    weights = [torch.nn.Parameter(torch.tensor([3.0, 5.0])) for _ in range(2)]
    for scaler, weight in zip((ours, torchs), weights, strict=True):
        scaler.scale((weight * gradient).sum()).backward()
    optimizer = torch.optim.SGD([weights[1]], lr=0.0)
    ours.unscale([weights[0]])
    torchs.unscale_(optimizer)
    assert torch.equal(weights[0].grad, weights[1].grad)
    ours.update(overflowed=not bool(weights[0].grad.isfinite().all()))
    torchs.update()


def test_overflows_and_growth_are_torchs():
    ours, torchs = pair()
    ours._good = GROWS_AFTER - 3
    torchs.load_state_dict({**torchs.state_dict(), "_growth_tracker": GROWS_AFTER - 3})
    torchs.scale(torch.ones(()))  # only now does it make its tensors
    rng = random.Random(5)
    gradients = [0.1, 0.2, 0.3, *(rng.choice([0.7, 1e-3, float("inf"), 3e38]) for _ in range(40))]
    seen = set()
    for gradient in gradients:
        one_update(ours, torchs, gradient)
        assert ours.get_scale() == torchs.get_scale()
        seen.add(ours.get_scale())
    assert max(seen) == 2 * FIRST and min(seen) < FIRST / 8


def test_a_state_goes_from_one_to_the_other():
    ours, torchs = pair()
    for gradient in (0.1, 3e38, 0.1, 0.1):
        one_update(ours, torchs, gradient)
    fresh, _ = pair()
    fresh.load_state_dict(torchs.state_dict())
    assert fresh.state_dict() == ours.state_dict() == {"scale": FIRST / 2, "_growth_tracker": 2}


@pytest.mark.parametrize("state", [{}, {"scale": 0.0, "_growth_tracker": 0}, {"scale": float("nan"), "_growth_tracker": 0},
                                   {"scale": "much", "_growth_tracker": 0}, {"scale": 1.0, "_growth_tracker": -1}])
def test_what_no_state_holds_is_refused(state):
    with pytest.raises((ValueError, TypeError, KeyError)):
        LossScale(enabled=True).load_state_dict(state)


def test_switched_off_it_is_one():
    scale, loss = LossScale(enabled=False), torch.ones(())
    assert scale.scale(loss) is loss and scale.get_scale() == 1.0 and scale.state_dict() == {}
    weight = torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.ones(2)
    scale.unscale([weight])
    scale.update(overflowed=True)
    assert torch.equal(weight.grad, torch.ones(2)) and scale.get_scale() == 1.0
