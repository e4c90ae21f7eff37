"""Recorded, made a function, and launched again on memory of its own: the numbers of the plain computation, for whatever is given."""

import pytest
import torch
from torch.nn import functional as F

from pack.tests.training.graph.card import PlayedGraph
from pack.training.graph.bound import Anew, Bound
from pack.training.graph.program import Program
from pack.training.graph.recorder import Recorder
from pack.training.graph.tape import Unrecordable
from pack.training.network.in_place import harmless

W = torch.nn.Parameter(torch.randn(4, 3, generator=torch.Generator().manual_seed(1)))
BASE = torch.randn(4, 4, generator=torch.Generator().manual_seed(2))


def step(x, t):
    """Writes in place into what backward needs (copy-on-write saves it), and makes a constant and views on the way."""
    hidden = F.linear(x, W)
    gate = hidden.sigmoid()
    gate *= torch.arange(4.0).cos() + t[:, None]
    wide = torch.stack((hidden.tanh(), gate), 1)
    wide[:, 0] += F.linear(gate, BASE.t())
    loss = (wide.square().sum((1, 2)) * t).sum()
    return [loss.detach(), torch.autograd.grad(loss, W)[0]]


def given(seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(5, 3, generator=generator), torch.rand(5, generator=generator)


def recorded(work=step, seed=0):
    inputs = given(seed)
    with harmless(), Recorder(inputs) as recorder:
        results = work(*inputs)
    return recorder.tape(results)


def plain(seed):
    with harmless():
        return step(*given(seed))


def same(some, others):
    return all(map(torch.equal, some, others))


@pytest.mark.parametrize("capture", [Anew, PlayedGraph])
def test_it_is_the_computation_for_whatever_is_given(capture):
    bound = Bound(Program(recorded(), [W]), given(0), capture())
    for seed in (1, 2, 1):
        assert same(bound(given(seed)), plain(seed))


@pytest.mark.parametrize("capture", [Anew, PlayedGraph])
def test_an_update_of_the_adapters_is_seen(capture):
    bound, before = Bound(Program(recorded(), [W]), given(0), capture()), W.detach().clone()
    try:
        with torch.no_grad():
            W.mul_(2)
        assert same(bound(given(1)), plain(1)) and bound.is_in_place()
    finally:
        W.data.copy_(before)


def test_what_was_moved_is_noticed():
    bound, before = Bound(Program(recorded(), [W]), given(0), Anew()), W.data
    W.data = before.clone()
    assert not bound.is_in_place()
    W.data = before
    assert bound.is_in_place()


def test_nothing_is_left_of_what_is_the_same_each_time_or_of_lazy_clones():
    tape, program = recorded(), Program(recorded(), [W])
    names = [call.func._schema.name for call in tape.calls]
    assert "aten::_lazy_clone" in names and "aten::cos" in names
    played = PlayedGraph()
    Bound(program, given(0), played)
    launched = [func._schema.name for func, *_ in played.launches]
    assert not {"aten::_lazy_clone", "aten::cos", "aten::arange"} & set(launched)
    assert len(launched) == program.calls < len(tape.calls)
    assert "aten::clone" in launched  # of the one that was written to


def test_tensors_are_let_go_after_their_last_use():
    """A chain of forty products holds a few of its results at a time."""
    def chain(x, t):
        for _ in range(40):
            x = x @ BASE[:3, :3]
        return [x]

    program, alive, most = Program(recorded(chain)), [], 0

    class Watch(PlayedGraph):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            nonlocal most
            found = func(*args, **(kwargs or {}))
            alive.append(torch.multiprocessing.reductions.StorageWeakRef(found.untyped_storage()))
            most = max(most, sum(not one.expired() for one in alive))
            return found

    with Watch():
        program(given(0))
    assert most <= 4


@pytest.mark.parametrize(("work", "why"), [
    (lambda x, t: [x * float(t.sum())], "reads a number of a tensor"),
    (lambda x, t: [x[t > 0.5]], "makes tensors whose size depends on numbers"),
    (lambda x, t: [x + torch.randn(3)], "draws at random"),
    (lambda x, t: [BASE.mul_(1.0)], "writes into its weights"),
    (lambda x, t: [x.mul_(1.0)], "writes into its weights, or into what it is given"),
    (lambda x, t: [F.dropout(x, 0.5)], "draws at random"),
])
def test_what_cannot_be_replayed_is_said(work, why):
    with pytest.raises(Unrecordable, match=why):
        recorded(work)


def test_attention_that_drops_nothing_can_be_replayed():
    def attend(x, t):
        return [F.scaled_dot_product_attention(*[x[None, None]] * 3)]

    program = Program(recorded(attend))
    assert same(program(list(given(3))), attend(*given(3)))


def test_the_same_tensor_given_twice_is_one():
    def twice(x, y):
        return [x + y]

    (x, _), recorder = given(0), Recorder([given(0)[1]])
    with recorder:
        results = twice(x, x)
    tape = recorder.tape(results)
    assert len(tape.fixed) == 1 and Program(tape)([given(1)[1]])[0].equal(x + x)
