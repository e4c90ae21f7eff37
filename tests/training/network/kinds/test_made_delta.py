"""A change that is made twice rather than kept gives the gradients that autograd gives."""

import pytest
import torch

from pack.training.network.kinds.made_delta import made_delta
from pack.training.ops import Op

OPS = {
    "linear": (Op("linear", 4, 3), (2, 5, 3)),
    "conv1d": (Op("conv1d", 3, 2, (3,), (2,), (1,), (1,)), (2, 2, 7)),
    "conv2d": (Op("conv2d", 3, 2, (3, 2), (2, 1), (1, 0), (1, 2)), (2, 2, 5, 6)),
    "conv3d": (Op("conv3d", 2, 2, (1, 2, 2), (1, 2, 1), (0, 1, 0), (1, 1, 1)), (1, 2, 2, 4, 3)),
}


@pytest.mark.parametrize("name", OPS)
def test_gradients_in_x_and_in_every_parameter(name):
    op, shape = OPS[name]
    generator = torch.Generator().manual_seed(1)
    x, a, b = (torch.randn(s, dtype=torch.float64, generator=generator).requires_grad_() for s in (shape, op.weight_shape, op.weight_shape))

    def run(x, a, b):
        return made_delta(x, op, lambda: a * b, (a, b))

    assert torch.autograd.gradcheck(run, (x, a, b))
    assert torch.autograd.gradcheck(lambda a, b: run(x.detach(), a, b), (a, b))


def test_the_matrix_is_not_kept():
    op = Op("linear", 50, 60)
    x, a, b = torch.randn(1, 60), torch.randn(50, 1, requires_grad=True), torch.randn(1, 60, requires_grad=True)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
        made = made_delta(x, op, lambda: a @ b, (a, b))
    assert max(kept) == 60
    made.sum().backward()
    assert torch.allclose(a.grad, (b @ x.T).expand(50, 1)) and torch.allclose(b.grad, a.detach().sum() * x)
