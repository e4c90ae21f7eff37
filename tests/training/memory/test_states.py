"""State that rests in main memory: the same updates, in whichever pieces, and the same state in a file."""

import pytest
import torch

from pack.tests.training.memory.fakes import LateLane
from pack.tests.training.optim.fakes import groups, parameters, train, values
from pack.training.memory.states import Resting
from pack.training.optim.kinds import optimizers
from pack.training.optim.optimizers import build_optimizer
from pack.training.optim.spec import OptimizerSpec
from pack.training.optim.state import export_state


class At:
    """An optimizer whose every step goes through `resting`."""

    def __init__(self, optimizer, resting, each_by_itself):
        self.optimizer, self.resting, self.each_by_itself = optimizer, resting, each_by_itself
        self.param_groups = optimizer.param_groups

    def step(self):
        self.resting.step(self.optimizer, each_by_itself=self.each_by_itself)

    def zero_grad(self, **options):
        self.optimizer.zero_grad(**options)


def trained(name, resting, steps=6):
    kind, named = optimizers.get(name), parameters()
    rate = max(kind.usual_rate, 1e-3)
    optimizer = build_optimizer(OptimizerSpec(optimizer=name, learning_rate=rate, text_encoder_lr=rate), groups(named), 25)
    train(At(optimizer, resting, kind.each_by_itself), named, 0, steps)
    resting.finish()
    return values(named), optimizer


NAMES = ["AdamW", "AdamW8bit", "AdEMAMix8bit", "Lion8bit", "SGDNesterov", "Prodigy", "DAdaptAdam", "CAME", "SOAP", "Muon", "Adafactor",
         "ScheduleFreeAdamW", "Lion", "adan", "mars"]


@pytest.mark.filterwarnings("ignore:Paged optimizers")
@pytest.mark.parametrize("at_once", [1, 2**26])
@pytest.mark.parametrize("name", NAMES)
def test_the_same_updates_and_the_same_state(name, at_once):
    lane = LateLane()
    expected, plain = trained(name, Resting())
    found, resting = trained(name, Resting(lane, least=1, at_once=at_once))
    assert lane.copied
    assert all(torch.equal(found[key], expected[key]) for key in expected)
    (tensors, facts), (others, same) = export_state(plain), export_state(resting)
    assert facts == same and tensors.keys() == others.keys()
    assert all(torch.equal(tensors[key], others[key]) for key in tensors)


def rested(at_once=2**26, name="AdamW", least=1):
    """After two updates: the optimizer, its Resting, and its lane."""
    lane = LateLane()
    resting = Resting(lane, least=least, at_once=at_once)
    _, optimizer = trained(name, resting, steps=2)
    return optimizer, resting, lane


def moments(optimizer):
    return [kept[key] for kept in optimizer.state.values() for key in ("exp_avg", "exp_avg_sq")]


def test_it_rests_between_updates_and_is_there_while_awake():
    optimizer, resting, _ = rested()
    there = moments(optimizer)
    assert all(map(resting.holds, there))
    with resting.awake(there):
        assert not any(map(resting.holds, there))
        before = [tensor.clone() for tensor in there]
        there[0].add_(1)
    resting.finish()
    assert all(map(resting.holds, there)) and torch.equal(there[0], before[0] + 1) and torch.equal(there[1], before[1])
    resting.wake(there)
    assert not any(map(resting.holds, there))


def test_small_tensors_and_those_that_share_memory_stay():
    optimizer, resting, _ = rested(least=1000)
    assert {resting.holds(tensor) for tensor in moments(optimizer) if tensor.nbytes < 1000} == {False}
    assert {resting.holds(tensor) for tensor in moments(optimizer) if tensor.nbytes >= 1000} == {True}
    whole = torch.arange(1000.0)
    shared = {"all": whole, "part": whole[:500]}
    Resting(LateLane()).lay_down([shared])
    assert shared["part"].data_ptr() == whole.data_ptr() and whole[-1] == 999


def test_pieces_hold_at_most_what_they_may():
    """The state of two pieces at most is on the device: that of the one that is updated, and of the next."""
    optimizer, resting, lane = rested(at_once=5000)
    home, most = [], []
    plain = optimizer.step

    def step():
        home.append({id(parameter) for group in optimizer.param_groups for parameter in group["params"]})
        most.append(sum(tensor.nbytes for tensor in moments(optimizer) if not resting.holds(tensor)))
        plain()

    optimizer.step = step
    for parameter in optimizer.state:
        parameter.grad = torch.ones_like(parameter)
    resting.step(optimizer, each_by_itself=True)
    parameters_of = [sum(p.nbytes for p in optimizer.state if id(p) in piece) for piece in home]
    assert len(home) > 2 and all(size <= 5000 or len(piece) == 1 for size, piece in zip(parameters_of, home, strict=True))
    assert most == [2 * size for size in parameters_of]
    assert sum(map(len, home)) == len(optimizer.state)


def test_a_step_that_fails_leaves_the_groups_as_they_were():
    optimizer, resting, _ = rested()
    groups_before = optimizer.param_groups
    optimizer.step = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        resting.step(optimizer, each_by_itself=True)
    assert optimizer.param_groups is groups_before


def test_state_that_an_optimizer_replaces_is_forgotten():
    """Some put a new tensor in the place of the old one in every update."""
    parameter = torch.nn.Parameter(torch.zeros(2000))

    class Replaces(torch.optim.SGD):
        def step(self):
            self.state[parameter]["last"] = parameter.grad.clone()

    optimizer, resting = Replaces([parameter], lr=1.0), Resting(LateLane())
    for _ in range(5):
        parameter.grad = torch.randn(2000)
        resting.step(optimizer, each_by_itself=True)
        resting.finish()
        assert torch.equal(optimizer.state[parameter]["last"], parameter.grad) and resting.holds(optimizer.state[parameter]["last"])
    assert len(resting._beds) == 1
