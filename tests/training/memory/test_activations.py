"""What autograd keeps goes to main memory and comes back: the same gradients, nothing read early, nothing carried twice."""

import gc

import pytest
import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn import functional as F

from pack.tests.training.memory.fakes import LateLane
from pack.tests.training.network.models import Tower, part_of, randomise
from pack.tests.training.network.test_in_place import BLOCKS, difference, loss_of
from pack.training.memory.activations import in_main_memory
from pack.training.network.attach import attached
from pack.training.network.build import build_network
from pack.training.network.checkpointing import checkpointed
from pack.training.network.in_place import followed, harmless, lazy_clone, storage_of
from pack.training.network.spec import NetworkSpec, TargetSpec


def gradients(keeping, *, checkpointing=False, lent=()):
    model = Tower(depth=4)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(1)
        for parameter in model.parameters():
            parameter.data.normal_(0, 0.4)
        x = torch.randn(3, 5, 4)
    part = part_of(model)
    network = build_network(NetworkSpec(rank=4, targets=TargetSpec(preset="all linear")), [part], seed=0)
    randomise(network)
    with attached(network, [part], checkpointing=checkpointing), harmless(lent):
        with keeping(network):
            loss = model(x).square().mean()
        loss.backward()
    return [parameter.grad for _, parameter in network.named_parameters()]


@pytest.mark.parametrize("checkpointing", [False, True, ("diffusion_model/layers.1",)])
@pytest.mark.parametrize("window", [0, 1000, 2**30])
def test_the_same_gradients(checkpointing, window):
    lane = LateLane()
    away = gradients(lambda network: in_main_memory(lane, network.tensors(), least=1, window=window), checkpointing=checkpointing)
    plain = gradients(lambda network: torch.enable_grad(), checkpointing=checkpointing)
    assert lane.copied and all(torch.equal(one, other) for one, other in zip(away, plain, strict=True))


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("recompute", [False, True])
def test_writes_into_activations_stay_harmless(block, recompute):
    """What left is what it was when it left, whoever writes into it meanwhile."""
    x = torch.randn(2, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()

    def loss(x):
        with in_main_memory(LateLane(), least=1, window=0):
            return followed(loss_of(checkpointed(block) if recompute else block))(x)

    with harmless():
        assert difference(loss, x) < 1e-6


def moved(forward, *, window=0, stay=()) -> list[int]:
    """The bytes of every copy, there and back."""
    lane = LateLane()
    with harmless():
        with in_main_memory(lane, stay, least=1, window=window):
            loss = forward().sum()
        loss.backward()
    return lane.copied


def test_a_storage_travels_once_for_all_who_keep_it():
    x = torch.randn(4, 30, requires_grad=True)

    def forward():
        h = torch.exp(x * 2)  # kept by exp, by the first norm (a view) and by the second
        q, k = h.chunk(2, dim=1)
        return F.layer_norm(q, (15,)) * k.square() + F.layer_norm(lazy_clone(h).view(8, 15), (15,)).view(2, 4, 15).sum(0)

    assert moved(forward).count(4 * 30 * 4) == 2


def test_one_that_was_written_into_travels_again():
    def forward():
        h = torch.exp(torch.ones(10, requires_grad=True))
        y = h.square()
        h.mul_(2)
        return y + h.square()

    assert moved(forward) == [40, 40]  # as it was, and as it became; both lie near when the backward begins


def test_what_is_trained_or_lent_stays_where_it_lies():
    down, weight = torch.randn(8, 8, requires_grad=True), torch.randn(8, 8)
    x = torch.randn(3, 8)
    lane = LateLane()
    with harmless({storage_of(weight)}):
        with in_main_memory(lane, [down], least=1, window=0):
            loss = (F.linear(F.linear(x, down), weight)).sum()
        loss.backward()
    assert lane.copied == [x.nbytes]


def test_small_storages_stay():
    x = torch.randn(100, requires_grad=True)
    lane = LateLane()
    with in_main_memory(lane, least=401):
        x.exp().sum().backward()
    assert lane.copied == []


def chain(length=6):
    """Every link keeps a storage of 400 bytes, which nobody else holds once the next one is there."""
    h = torch.ones(100, requires_grad=True)
    for _ in range(length):
        h = torch.sin(h * 0.5)
    return h


def test_the_last_that_left_need_not_be_fetched():
    """Six storages leave, the last as the forward ends. Besides, a window of two keeps two; of five, all."""
    assert [len(moved(chain, window=window)) for window in (0, 800, 2000)] == [6 + 5, 6 + 3, 6 + 0]


def test_the_device_holds_no_more_than_the_window():
    alive: list[StorageWeakRef] = []

    def seen(tensor):
        alive.append(StorageWeakRef(tensor.untyped_storage()))
        return tensor

    def held():
        return sum(not one.expired() for one in alive)

    for window, most in ((0, 2), (800, 4)):  # beside the window: the link that is computed, and what comes out of it
        alive.clear()
        h = torch.ones(100, requires_grad=True)
        with in_main_memory(LateLane(), least=1, window=window):
            for _ in range(12):
                h = torch.sin(seen(h * 0.5))
                assert held() <= most


def test_what_comes_next_is_fetched_ahead():
    """While one link's backward runs, the two before it are there or under way; one that is there is not fetched again."""
    lane, fetched = LateLane(), []
    with in_main_memory(lane, least=1, window=800):
        h = chain(8)
    nodes = list(_sines(h.grad_fn))
    for node in nodes:
        node.register_hook(lambda *grads: fetched.append(len(lane.copied) - 8))
    h.sum().backward()
    assert fetched == [0, 1, 2, 3, 4, 5, 5, 5]


def _sines(node):
    while node is not None:
        if node.name().startswith("Sin"):
            yield node
        node = node.next_functions[0][0] if node.next_functions else None


def test_nothing_is_left_behind():
    lane = LateLane()
    with in_main_memory(lane, least=1, window=0):
        h = chain()
    kept = StorageWeakRef(h.untyped_storage())
    del h
    gc.collect()
    assert kept.expired()
