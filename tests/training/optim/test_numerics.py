import pytest
import torch

from pack.training.errors import NonFiniteError
from pack.training.optim.numerics import clip_gradients, gradient_norm, require_finite_gradients


def parameter(*gradient: float) -> torch.nn.Parameter:
    made = torch.nn.Parameter(torch.zeros(len(gradient)))
    made.grad = torch.tensor(gradient)
    return made


def test_norm_and_clipping_by_hand():
    parameters = [parameter(3.0, 0.0), parameter(4.0), torch.nn.Parameter(torch.zeros(2))]
    assert gradient_norm(parameters).item() == 5.0
    assert clip_gradients(parameters, 1.0).item() == 5.0
    assert parameters[0].grad.tolist() == pytest.approx([0.6, 0.0])
    assert parameters[1].grad.tolist() == pytest.approx([0.8])


def test_small_or_unlimited_gradients_stay():
    for limit in (0.0, 6.0):
        single = parameter(3.0, 4.0)
        assert clip_gradients([single], limit).item() == 5.0
        assert single.grad.tolist() == [3.0, 4.0]


def test_a_norm_that_is_not_finite_touches_nothing():
    bad, good = parameter(float("nan")), parameter(3.0)
    assert not clip_gradients([bad, good], 1.0).isfinite()
    assert good.grad.tolist() == [3.0]
    with pytest.raises(NonFiniteError, match="the gradient of a is not a finite number"):
        require_finite_gradients([("a", bad), ("b", good)])
    require_finite_gradients([("b", good), ("c", torch.nn.Parameter(torch.zeros(1)))])


def test_no_gradient_at_all():
    assert gradient_norm([]).item() == 0
