"""Bytes that are alive, counted by hand and by PyTorch's own profiler."""

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.profiler import ProfilerActivity, profile

from pack.training.memory.cost.ledger import Ledger
from pack.training.network.in_place import lazy_clone

CPU = torch.device("cpu")
KIB = 1024


def kibibyte() -> torch.Tensor:
    return torch.zeros(256)


@pytest.fixture(params=[False, True], ids=["real", "fake"])
def ledger(request):
    with FakeTensorMode() if request.param else torch.enable_grad(), Ledger(CPU) as ledger:
        yield ledger


def test_what_is_made_counts_until_nothing_holds_it(ledger):
    first = kibibyte()
    second = first + 1
    assert ledger.now == 2 * KIB
    del first
    third = kibibyte()
    assert ledger.now == ledger.peak == 2 * KIB
    del second, third
    assert ledger.now == 0


def test_a_view_keeps_the_whole_and_costs_nothing(ledger):
    whole = kibibyte()
    part = whole.view(2, 128)[0]
    assert ledger.now == KIB
    del whole
    assert ledger.now == KIB and len(part) == 128
    del part
    assert ledger.now == 0


def test_what_was_there_before_counts_as_nothing():
    before = kibibyte()
    with Ledger(CPU) as ledger:
        seen = before.view(16, 16)
        seen.add_(1)
        assert ledger.now == 0
        kept = lazy_clone(before)
        assert ledger.now == 0
        before.mul_(2)  # moves away from its clone
        assert ledger.now == KIB and kept[0] == 1


def test_a_lazy_clone_costs_as_much_as_is_written(ledger):
    origin = kibibyte()
    clones = [lazy_clone(origin) for _ in range(3)]
    assert ledger.now == KIB
    origin.add_(1)
    assert ledger.now == 2 * KIB
    torch.add(clones[0], 1, out=clones[0])
    assert ledger.now == 3 * KIB
    del clones[1:]
    assert ledger.now == 2 * KIB


def test_stretches_have_peaks_of_their_own_and_count_flops(ledger):
    x, weight = torch.zeros(4, 8), torch.zeros(8, 16)
    ledger.mark("product")
    y = x @ weight
    ledger.mark("after")
    assert y.shape == (4, 16)
    product = ledger.stretches[-2]
    assert product.flops == 2 * 4 * 8 * 16
    assert product.start == 4 * (32 + 128) and product.peak == product.start + 4 * 64


def test_a_made_up_number_is_never_a_count():
    with FakeTensorMode(), Ledger(CPU):
        assert float(torch.rand(())) == 0.5 and not bool(torch.ones(3).all())
        with pytest.raises(RuntimeError, match="a count was read"):
            int(torch.ones(3).long().sum())


LINEAR = nn.Sequential(*[layer for _ in range(6) for layer in (nn.Linear(256, 256), nn.GELU(), nn.LayerNorm(256))])
#: Few pixels and large weights, as in the middle of a U-Net: their copies are most of what is held.
CONVOLUTIONS = nn.Sequential(*[layer for _ in range(3) for layer in (nn.Conv2d(192, 192, 3, padding=1), nn.SiLU())])
PLAIN_CONVOLUTIONS = nn.Sequential(*[nn.Conv2d(64, 64, 3, padding=1) for _ in range(3)])  # too small for oneDNN: unfolded pictures


class Attention(nn.Module):
    def forward(self, x):
        return nn.functional.scaled_dot_product_attention(x, x, x)


@pytest.mark.parametrize(("model", "shape"), [
    (LINEAR, (64, 256)), (CONVOLUTIONS, (1, 192, 16, 16)), (PLAIN_CONVOLUTIONS, (1, 64, 16, 16)), (Attention(), (2, 8, 512, 64)),
], ids=["linear", "convolutions", "plain convolutions", "attention"])
def test_a_step_holds_what_the_profiler_says(model, shape):
    """Every allocation of PyTorch's CPU allocator is reported to the profiler: an independent count of the same step."""
    model.requires_grad_(model is LINEAR)

    def step() -> None:
        model(torch.zeros(shape, requires_grad=True)).square().mean().backward()
        model.zero_grad()

    step()
    with Ledger(CPU) as ledger:
        step()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        step()
    now = most = 0
    events = [event for event in profiled.profiler.kineto_results.events() if event.name() == "[memory]"]
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        most = max(most, now)
    assert ledger.peak == pytest.approx(most, rel=0.03)
