"""A frozen op is the op: its output, its gradient in x, and nothing else."""

import pytest
import torch
from torch import nn

from pack.training.network.frozen import frozen_op
from pack.training.ops import op_of

OPS = {
    "linear": (nn.Linear(3, 4), (2, 5, 3)),
    "conv1d strided": (nn.Conv1d(2, 3, 5, stride=2, padding=1), (2, 2, 9)),
    "conv2d strided, dilated": (nn.Conv2d(2, 3, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2)), (2, 2, 5, 6)),
    "conv2d 1x1": (nn.Conv2d(2, 3, 1), (1, 2, 3, 3)),
    "conv3d strided": (nn.Conv3d(2, 2, (1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1)), (1, 2, 2, 5, 4)),
}


@pytest.fixture(params=OPS, ids=list(OPS))
def case(request):
    module, shape = OPS[request.param]
    module = module.double().requires_grad_(False)
    return module, torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()


def test_gradient_in_x(case):
    module, x = case
    frozen = lambda x: frozen_op(x, op_of(module), module, lambda dtype: module.weight.to(dtype))  # noqa: E731
    assert torch.equal(frozen(x), module(x))
    assert torch.autograd.gradcheck(frozen, (x,))


def test_the_weight_is_fetched_in_backward_and_not_kept(case):
    module, x = case
    fetched, kept = [], []

    def weight(dtype):
        fetched.append(dtype)
        return module.weight

    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        y = frozen_op(x, op_of(module), module, weight)
    assert fetched == [] and kept == []
    y.sum().backward()
    assert fetched == [torch.float64]
    expected = torch.autograd.grad(module(x).sum(), x)[0]
    assert torch.allclose(x.grad, expected)


def test_narrow_weights_compute_wide():
    """fp8 stored, fp32 computed: the gradient is that of the dequantised weight."""
    weight = torch.randn(4, 3).to(torch.float8_e4m3fn)
    x = torch.randn(2, 3, requires_grad=True)
    run = lambda x: nn.functional.linear(x, weight.to(x.dtype))  # noqa: E731
    frozen_op(x, op_of(nn.Linear(3, 4)), run, lambda dtype: weight.to(dtype)).sum().backward()
    assert torch.allclose(x.grad, weight.float().sum(0).expand(2, 3))


def test_in_fp8_the_weight_is_not_fetched_in_full():
    op, x = op_of(nn.Linear(16, 32)), torch.randn(2, 3, 16, requires_grad=True)
    numbers = torch.randint(-4, 5, (32, 16)).to(torch.float8_e4m3fn)
    run = lambda x: nn.functional.linear(x, numbers.to(x.dtype) / 2)  # noqa: E731
    frozen_op(x, op, run, lambda dtype: pytest.fail("fetched"), lambda: (numbers, torch.tensor(0.5))).sum().backward()
    assert torch.allclose(x.grad, numbers.float().sum(0).expand(2, 3, 16) / 2)
