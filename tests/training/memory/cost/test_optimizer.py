"""What optimizers hold, against what they were measured to keep for a parameter, and against whole updates."""

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from pack.training.memory.cost.ledger import Ledger
from pack.training.memory.cost.optimizer import optimizer_cost
from pack.training.optim.spec import OptimizerSpec

CPU = torch.device("cpu")
SHAPES = [(16, 320), (320, 16)] * 40 + [(16, 1280), (640, 16)] * 20
NUMBERS = sum(rows * columns for rows, columns in SHAPES)


def test_what_does_not_run_on_fakes_is_real_where_a_step_is_rehearsed_on_them():
    spec = OptimizerSpec(optimizer="AdamW8bit")
    with FakeTensorMode():
        found = optimizer_cost(spec, SHAPES, CPU)
    assert found == optimizer_cost(spec, SHAPES, CPU) and found.state > 0


@pytest.mark.parametrize("name", ["AdamW", "AdamW8bit", "Lion", "SGDNesterov", "Adafactor", "Prodigy", "CAME", "ScheduleFreeAdamW"])
def test_as_in_whole_updates_of_all_parameters(name):
    spec = OptimizerSpec(optimizer=name)
    found = optimizer_cost(spec, SHAPES, CPU)
    parameters = [nn.Parameter(torch.zeros(shape)) for shape in SHAPES]
    groups = [{"params": parameters, "lr": 1e-4}]
    for parameter in parameters:
        parameter.grad = torch.full_like(parameter, 1e-3)
    optimizer = spec.kind.made(groups, {}, lr=1e-4, weight_decay=0.0, total_steps=100)
    with Ledger(CPU) as ledger:
        optimizer.step()
        state = ledger.now
        ledger.mark("again")
        optimizer.step()
    assert found.state == pytest.approx(state, rel=0.02)
    assert found.state + found.update == pytest.approx(ledger.stretches[-1].peak, rel=0.02)


def test_adamw_keeps_two_numbers_for_each():
    assert optimizer_cost(OptimizerSpec(optimizer="AdamW"), SHAPES, CPU).state == pytest.approx(8 * NUMBERS, rel=0.001)


@pytest.mark.parametrize(("name", "pages"), [("AdamW8bit", 2), ("Lion8bit", 1), ("AdEMAMix8bit", 3), ("AdamW", 0)])
def test_large_parameters_have_state_that_can_lie_in_pages(name, pages):
    """Bytes a number: bitsandbytes pages what belongs to 100,000 numbers and more."""
    shapes, card = [(16, 6250), (16, 6249), (16, 6250)], torch.device("cuda")
    assert optimizer_cost(OptimizerSpec(optimizer=name), shapes, card).pages == pages * 200_000
    assert not optimizer_cost(OptimizerSpec(optimizer=name), shapes, CPU).pages


def test_paged_optimizers_keep_it_there_anyway():
    card, names = torch.device("cuda"), ("AdamW8bit", "PagedAdamW8bit")
    plain, paged = (optimizer_cost(OptimizerSpec(optimizer=name), [(16, 6250)], card) for name in names)
    assert paged.state == plain.state - plain.pages and not paged.pages
