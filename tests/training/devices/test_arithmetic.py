"""fp32 multiplied as fp32 while a run has the device, and the user's own switches afterwards."""

import pytest
import torch

from pack.training.devices.arithmetic import full_products

SWITCHES = (torch.backends.cudnn.conv, torch.backends.cuda.matmul, torch.backends.mkldnn.matmul)


def set_now() -> list[str]:
    return [switch.fp32_precision for switch in SWITCHES]


@pytest.fixture
def users_own():
    """A card's default for convolutions, and what some set for speed."""
    before, values = set_now(), ["tf32", "tf32", "bf16"]
    put(values)
    yield values
    put(before)


def put(values: list[str]) -> None:
    for switch, value in zip(SWITCHES, values, strict=True):
        switch.fp32_precision = value


def test_nothing_is_rounded_while_it_is_open(users_own):
    with full_products():
        assert set_now() == ["ieee"] * 3
    assert set_now() == users_own


def test_the_user_s_switches_come_back_from_an_error(users_own):
    with pytest.raises(KeyError), full_products():
        raise KeyError
    assert set_now() == users_own


def test_versions_with_one_switch_a_library(monkeypatch):
    from pack.training.devices import arithmetic

    class Old:
        allow_tf32 = True

    class Backends:
        class cuda:
            matmul = Old()
        cudnn = Old()

    monkeypatch.setattr(arithmetic.torch, "backends", Backends)
    with full_products():
        assert (Backends.cuda.matmul.allow_tf32, Backends.cudnn.allow_tf32) == (False, False)
    assert (Backends.cuda.matmul.allow_tf32, Backends.cudnn.allow_tf32) == (True, True)
