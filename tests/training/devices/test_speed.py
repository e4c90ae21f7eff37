"""How fast a device multiplies."""

from itertools import count

import pytest
import torch

from pack.training.devices.speed import SIDE_ON_CPU, product_speed

CPU = torch.device("cpu")


def test_the_best_of_a_few_products_counts():
    """Each takes longer than the one before: the first, 2 seconds, is the best."""
    ticks = iter(tick for number in count() for tick in (100.0 * number, 100.0 * number + 2 + number))
    assert product_speed(CPU, torch.float32, lambda: next(ticks)) == 2 * SIDE_ON_CPU**3 / 2


def test_a_real_one_says_something_that_a_machine_can_do():
    assert 1e7 < product_speed(CPU, torch.float32) < 1e16


@pytest.mark.parametrize(("device", "dtype"), [("meta", torch.float32), ("cpu", torch.bool)])
def test_none_where_it_cannot_be_said(device, dtype):
    assert product_speed(torch.device(device), dtype) is None


def test_the_user_s_random_numbers_stay_as_they_were():
    before = torch.get_rng_state()
    product_speed(CPU, torch.float32)
    assert torch.equal(torch.get_rng_state(), before)
