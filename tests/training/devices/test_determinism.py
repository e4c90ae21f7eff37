"""The same bits every time, where it is asked for: which kernels torch takes, what is told, and that the user's choice comes back."""

import os
import warnings

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from pack.tests.training.run.fakes import Bench
from pack.tests.training.second_device import ELSEWHERE, SecondDevice
from pack.training.devices import determinism
from pack.training.devices.determinism import WORKSPACE, deterministic, is_asked, is_repeatable, repeatable
from pack.training.events import Message
from pack.training.specs import RunSpec

WARNING = "bicubic_backward does not have a deterministic implementation, but you set 'torch.use_deterministic_algorithms(True)'"


def set_now() -> tuple:
    return (torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled(),
            torch.backends.cudnn.benchmark, torch.utils.deterministic.fill_uninitialized_memory)


@pytest.fixture(params=[(False, False), (True, True)], ids=["as usual", "--deterministic"])
def users_own(request):
    """What ComfyUI sets by its option, and fastest kernels."""
    before = set_now()
    torch.use_deterministic_algorithms(request.param[0], warn_only=request.param[1])
    torch.backends.cudnn.benchmark = True
    yield set_now()
    torch.use_deterministic_algorithms(before[0], warn_only=before[1])
    torch.backends.cudnn.benchmark = before[2]


def test_the_user_s_choice_comes_back(users_own):
    with pytest.raises(KeyError), deterministic(print):
        assert set_now() == (True, True, False, False)
        raise KeyError
    assert set_now() == users_own


def test_what_has_no_such_kernel_is_told_once_and_other_warnings_are_shown():
    told = []
    with pytest.warns(UserWarning, match="something else") as shown, deterministic(told.append):
        for text in (WARNING, WARNING, "Flash Attention defaults to a non-deterministic algorithm. To explicitly", "something else"):
            warnings.warn(text, stacklevel=1)
    assert told == ["bicubic_backward", "Flash Attention"] and len(shown) == 1


class Watched(torch.autograd.Function):
    """What torch is set to in a kernel's forward and backward."""

    @staticmethod
    def forward(ctx, x, seen):
        ctx.seen = seen
        seen.append(set_now()[:2])
        return x * 2

    @staticmethod
    def backward(ctx, grad):
        ctx.seen.append(set_now()[:2])
        return grad * 2, None


def test_around_attention_torch_is_not_asked_to_warn():
    """Its fused kernels take no notice of a mere warning."""
    inside, outside = [], []
    tensors = [torch.randn(1, 2, 5, 4, requires_grad=True) for _ in range(3)]
    with deterministic(print):
        q, k, v = (Watched.apply(tensor, outside) for tensor in tensors)
        y = Watched.apply(repeatable(lambda q, k, v: scaled_dot_product_attention(Watched.apply(q, inside), k, v), q, k, v), outside)
        y.square().sum().backward()
    assert inside == [(True, False)] * 2 and outside == [(True, True)] * 8
    found = [tensor.grad.clone() for tensor in tensors]
    q, k, v = (tensor * 2 for tensor in tensors)
    (scaled_dot_product_attention(q * 2, k, v) * 2).square().sum().backward()
    for tensor, gradient in zip(tensors, found, strict=True):
        torch.testing.assert_close(tensor.grad - gradient, gradient)


def test_only_what_has_a_gradient_is_asked():
    assert not is_asked()
    with deterministic(print):
        assert is_asked()
        with torch.no_grad():
            assert not is_asked()


def test_whether_a_card_can_is_asked_of_torch(monkeypatch):
    monkeypatch.delenv(WORKSPACE, raising=False)
    before = set_now()
    assert is_repeatable(torch.device("cpu")) and WORKSPACE not in os.environ

    def refuse(*args, device):
        assert set_now()[:2] == (True, False) and os.environ[WORKSPACE] == ":4096:8"
        raise RuntimeError(f"Deterministic behavior was enabled ... set an environment variable before running: {WORKSPACE}=:4096:8")

    monkeypatch.setattr(determinism.torch, "ones", refuse)
    assert not is_repeatable(torch.device("cuda"))
    monkeypatch.setattr(determinism.torch, "ones", lambda *args, device: torch.full((8, 8), 1.0))
    assert is_repeatable(torch.device("cuda")) and set_now() == before


@pytest.mark.parametrize("asked", [False, True])
def test_a_run_is_held_to_it_and_says_what_was_not(tmp_path, asked):
    before, seen = set_now(), []

    def spoil(denoised):
        seen.append(set_now()[:2])
        if asked:
            warnings.warn(WARNING, stacklevel=1)
        return denoised

    with SecondDevice():
        bench = Bench(tmp_path / "run", RunSpec(steps=2, gradient_checkpointing=False, deterministic=asked))
        bench.model.to(ELSEWHERE)
        bench.denoiser.device, bench.denoiser.spoil = ELSEWHERE, spoil
        bench.run()
    assert seen == [(asked, asked)] * 2 and set_now() == before
    told = [event.text for event in bench.recorder.of(Message) if event.topic == "determinism"]
    assert len(told) == asked and all("no deterministic kernel for bicubic_backward" in text for text in told)
