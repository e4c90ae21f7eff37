"""A gradient multiplied in fp8: right where the numbers fit, close where they do not, and nothing lost that is small."""

import pytest
import torch

from pack.training.network import fp8

E4M3, E5M2 = fp8.DTYPES
ONE = torch.ones(())


def whole(*shape: int, seed: int = 1) -> torch.Tensor:
    """Whole numbers that fp8 has: products of them are exact."""
    return torch.randint(-4, 5, shape, generator=torch.Generator().manual_seed(seed)).float()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("held", [E4M3, E5M2])
def test_numbers_that_fit_are_multiplied_exactly(dtype, held):
    grad, weight = whole(2, 3, 16).to(dtype), whole(16, 32, seed=2)
    got = fp8.product(grad, weight.to(held), ONE / 4)
    assert got.dtype is dtype and got.shape == (2, 3, 32)
    assert torch.equal(got.float(), (grad.float() @ weight / 4).to(dtype).float())


def test_other_numbers_are_rounded_to_three_bits():
    generator = torch.Generator().manual_seed(3)
    grad, weight = torch.randn(64, 256, generator=generator), torch.randn(256, 128, generator=generator)
    exact = grad @ weight
    error = fp8.product(grad, *fp8.rounded(weight)) - exact
    assert 0.01 < float(error.norm() / exact.norm()) < 0.05


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_row_has_its_own_unit(dtype):
    """A token that gets a millionth of another's gradient keeps its digits, and no loss is too small."""
    generator = torch.Generator().manual_seed(4)
    grad, numbers = torch.randn(3, 16, generator=generator).to(dtype), whole(16, 16).to(E4M3)
    units = 2.0 ** torch.tensor([[0], [-20], [-60]])
    small = fp8.product((grad * units).to(dtype), numbers, ONE)
    assert torch.equal(small.float(), fp8.product(grad, numbers, ONE).float() * units)
    assert torch.equal(fp8.product(grad[1], numbers, ONE), fp8.product(grad, numbers, ONE)[1])


def test_fp16_does_not_overflow_in_between():
    """One becomes 256 in its row's unit, and the sum of 512 of them is beyond fp16; the product itself is not."""
    grad = torch.ones(1, 512, dtype=torch.float16)
    assert torch.equal(fp8.product(grad, torch.ones(512, 16).to(E4M3), ONE), torch.full((1, 16), 512.0, dtype=torch.float16))


def test_what_is_no_number_stays_none():
    """Loss scaling looks for it; and the other rows are not touched."""
    grad = torch.ones(4, 16)
    grad[0, 3], grad[1, 3], grad[2] = float("inf"), float("nan"), 0
    got = fp8.product(grad, torch.ones(16, 16).to(E4M3), ONE)
    assert got[:2].isnan().all() and torch.equal(got[2:], torch.tensor([[0.0], [16.0]]).expand(2, 16))


def test_a_weight_of_zeros():
    numbers, scale = fp8.rounded(torch.zeros(16, 16))
    assert torch.equal(numbers.float() * scale, torch.zeros(16, 16)) and scale.isfinite()


def test_what_speaks_against_it(monkeypatch):
    assert fp8.failure(torch.device("cpu")) is None

    def refused(*_args, **_named):
        raise RuntimeError("\ntorch._scaled_mm is only supported on devices with compute capability >= 8.9\nat somewhere")

    monkeypatch.setattr(torch, "_scaled_mm", refused)
    assert fp8.failure(torch.device("cpu")) == "torch._scaled_mm is only supported on devices with compute capability >= 8.9"
