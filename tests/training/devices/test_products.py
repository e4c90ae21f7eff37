"""The same sums as torch's own, in fp32 on a CPU, with no copy of a weight."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from pack.training.devices.products import convolution_gradient, product
from pack.training.memory.cost.ledger import Ledger
from pack.training.network.frozen import frozen_op
from pack.training.ops import op_of

CPU = torch.device("cpu")
#: (batch, in, out, side, kernel, stride, padding, dilation), of few places.
FEW = {
    "3x3": (1, 5, 64, 4, (3, 3), 1, 1, 1), "of a batch": (3, 5, 64, 2, (3, 3), 1, 1, 1), "strided": (1, 6, 64, 8, (3, 3), 2, 1, 1),
    "1x1": (2, 3, 40, 2, (1, 1), 1, 0, 1), "dilated, of two sizes": (1, 2, 96, 6, (3, 2), (2, 1), (2, 0), (1, 2)),
}


def given(batch, inner, out, side, kernel, stride, padding, dilation):
    generator = torch.Generator().manual_seed(0)
    x, weight = torch.randn(batch, inner, side, side, generator=generator), torch.randn(out, inner, *kernel, generator=generator)
    return x, weight, (stride, padding, dilation)


class Operations(TorchDispatchMode):
    """The names of those that are computed."""

    def __init__(self):
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.seen.append(func._schema.name)
        return func(*args, **(kwargs or {}))

    @property
    def convolved(self) -> bool:
        return any("convolution" in name or "conv2d" in name for name in self.seen)


def close(found, exact):
    return found.shape == exact.shape and found.is_contiguous() and torch.allclose(found.double(), exact, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", FEW.values(), ids=list(FEW))
def test_the_gradient_of_a_convolution_over_few_places_is_one_product(shape):
    x, weight, how = given(*shape)
    exact = x.double().requires_grad_()
    made = F.conv2d(exact, weight.double(), None, *how)
    grad = torch.randn(made.shape, generator=torch.Generator().manual_seed(1))
    made.backward(grad.double())
    with Operations() as operations:
        found = convolution_gradient(grad, x.shape, weight, *how)
    assert not operations.convolved and found is not None and close(found, exact.grad)


def test_over_many_places_torch_does_it():
    x, weight, how = given(1, 4, 8, 16, (3, 3), 1, 1, 1)
    assert convolution_gradient(torch.randn(1, 8, 16, 16), x.shape, weight, *how) is None


@pytest.mark.parametrize("change", [{"dtype": torch.float64}, {"dtype": torch.bfloat16}, {"device": "meta"}], ids=["fp64", "bf16", "meta"])
def test_other_numbers_and_places_are_torch_s(change):
    x, weight, how = given(*FEW["3x3"])
    assert convolution_gradient(torch.randn(1, 64, 4, 4).to(**change), x.shape, weight.to(**change), *how) is None


@pytest.mark.parametrize("shape", [(5, 3), (2, 5, 3), (0, 3)])
def test_a_product(shape):
    x, weight, bias = torch.randn(shape), torch.randn(7, 3), torch.randn(7)
    assert close(product(x, weight, bias), F.linear(x.double(), weight.double(), bias.double()))
    assert close(product(x, weight), F.linear(x.double(), weight.double()))


def test_backward_of_a_frozen_convolution_copies_no_weight():
    layer = nn.Conv2d(4, 64, 3, padding=1).requires_grad_(False)
    x = torch.randn(1, 4, 4, 4, requires_grad=True)
    made = frozen_op(x, op_of(layer), layer.forward, lambda dtype: layer.weight).square().sum()
    with Operations() as operations:
        made.backward()
    exact = x.detach().requires_grad_()
    layer(exact).square().sum().backward()
    assert not operations.convolved and torch.allclose(x.grad, exact.grad, rtol=1e-4, atol=1e-4)


def test_its_flops_are_counted():
    with Ledger(CPU) as ledger, torch.no_grad():
        product(torch.randn(5, 3), torch.randn(7, 3))
    assert ledger.stretches[-1].flops == 2 * 5 * 3 * 7
