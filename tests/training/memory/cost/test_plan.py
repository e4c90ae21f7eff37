"""The memory plan, by hand: two blocks, and what is alive while they are passed through."""

import pytest

from pack.training.memory.choice import MemoryChoice
from pack.training.memory.cost.ledger import Stretch
from pack.training.memory.cost.plan import ENCODING, PREVIEW, STEPS, UPDATE, StepCost
from pack.training.memory.cost.trace import Effort, Pass, Trace

#: Each block keeps 100 for backward, of which 10 are its output, which stays; the second is passed through with 20 more at its height.
STRETCHES = [
    Stretch("forward", 0, 5),
    Stretch("forward 0", 5, 110), Stretch("after 0", 105, 105),
    Stretch("forward 1", 105, 225), Stretch("after 1", 205, 210),
    Stretch("backward", 210, 212),
    Stretch("backward 1", 212, 232), Stretch("backward 0", 125, 140),
    Stretch("clipping", 40, 41),
]
TRACE = Trace(STRETCHES, [Pass("m/0", 5, saved=90, flops=7), Pass("m/1", 105, saved=90, flops=8)], resident=0)


def cost(**changes) -> StepCost:
    return StepCost(**{"trace": TRACE, "weights": 1000, "adapters": 16, "gradients": 16, "state": 32, "update": 4} | changes)


@pytest.mark.parametrize(("choice", "peak"), [
    (MemoryChoice(recompute="none"), 232),
    (MemoryChoice(recompute=("m/1",)), 232),  # it is there again when its own backward begins
    (MemoryChoice(recompute=("m/0",)), 142),
    (MemoryChoice(recompute="all"), 142),
    (MemoryChoice(recompute="none", activations="main memory"), 135),  # block 0, alone, in its backward
])
def test_what_is_recomputed_is_not_there_in_the_backward_of_another(choice, peak):
    assert TRACE.peak(choice) == peak


def test_each_block_with_what_it_saves_and_costs():
    assert TRACE.saved() == {"m/0": 90, "m/1": 90}
    assert TRACE.flops() == {"m/0": 7, "m/1": 8}


@pytest.mark.parametrize(("recompute", "flops", "calls"), [
    ("none", 10 + 100 + 20, 5 + 40 + 9), (("m/1",), 130 + 60, 54 + 30), ("all", 130 + 100, 54 + 40),
    ("cheap", 999, 70),  # as its own trace says: what is computed again is in it
])
def test_what_a_step_computes_and_calls(recompute, flops, calls):
    stretches = [Stretch("forward", 0, 0, flops=10, calls=5), Stretch("forward 0", 0, 0, flops=100, calls=40),
                 Stretch("backward 0", 0, 0, flops=20, calls=9)]
    passes = [Pass("m/0", 0, flops=40, calls=10), Pass("m/1", 0, flops=60, calls=30)]
    cheap = Trace([Stretch("", 0, 0, flops=999, calls=70)], passes, 0)
    step = cost(trace=Trace(stretches, passes, 0), cheap=cheap)
    assert step.effort(MemoryChoice(recompute=recompute)) == Effort(flops, calls)
    assert cost(is_measured=True).effort(MemoryChoice(recompute=recompute)) is None


def test_the_parts_of_a_plan_add_up_to_the_step():
    plan = cost(averages=16, assistant=3).plan_for(MemoryChoice(recompute="all"))
    assert plan.total == 16 + (142 + 32) + 16 + 3
    assert (plan.adapters, plan.gradients, plan.state, plan.activations, plan.where) == (16, 16, 32, 142 - 16, STEPS)


def test_state_in_main_memory_is_not_counted_in_the_step():
    assert cost().plan_for(MemoryChoice(state="main memory")).total == 16 + 142


def test_state_in_pages_is_what_cannot_be_paged():
    assert cost(pages=20).plan_for(MemoryChoice(state="paged")).total == 16 + 142 + 12
    assert cost(pages=20, update=200).plan_for(MemoryChoice(state="paged")).total == 16 + 16 + 32 + 200  # while the update needs it


def test_what_is_cheap_is_told_by_a_trace_of_its_own():
    """Block 1 keeps 50 less, and block 0 as well: 132 at the height of the backward of block 1, of which 52 wait in main memory."""
    cheap = Trace([
        Stretch("forward 0", 5, 70), Stretch("forward 1", 55, 130), Stretch("backward 1", 112, 132), Stretch("backward 0", 75, 90),
    ], [Pass("m/0", 5, saved=40), Pass("m/1", 55, saved=40)], resident=3)
    choice = MemoryChoice(recompute="cheap")
    assert cost(cheap=cheap).plan_for(choice).total == 16 + 132 + 32
    assert cost(cheap=cheap).plan_for(MemoryChoice(recompute="cheap", activations="main memory")).total == 16 + 88 + 32
    assert cost().plan_for(choice).total == cost().plan_for(MemoryChoice(recompute="none")).total


def test_on_a_cpu_the_first_update_lies_there_twice():
    assert cost(kept=150).plan_for(MemoryChoice()).total == 16 + 16 + 32 + 4 + 150
    assert cost(kept=50).plan_for(MemoryChoice()).total == 16 + 142 + 32


def test_the_plan_says_where_the_peak_lies():
    assert cost(update=200).plan_for(MemoryChoice()).where == UPDATE
    assert cost(update=200).plan_for(MemoryChoice()).total == 16 + 16 + 32 + 200
    assert cost(encoding=1191).plan_for(MemoryChoice()).where == ENCODING
    assert cost(encoding=1190).plan_for(MemoryChoice()).where == STEPS
    plan = cost(encoding=1191, preview=1140, averages=16).plan_for(MemoryChoice())
    assert (plan.where, plan.aside) == (STEPS, 1140 + 16 + 32 + 16), "a step holds 1,206: the averages are there too"
    plan = cost(encoding=1191, preview=1160).plan_for(MemoryChoice())
    assert (plan.where, plan.aside) == (PREVIEW, 1160 + 16 + 32), "the LoRA and its optimizer stay on the device"


def test_the_sentence_says_what_it_is():
    big = cost(trace=Trace([Stretch("", 0, 6 * 2**30)], [], 0), adapters=2**29, gradients=2**29, state=2**30)
    assert big.plan_for(MemoryChoice()).sentence() == (
        "Prediction: training needs about 7.5 GiB beside the model (5.5 GiB for activations, 2.0 GiB for the LoRA and its optimizer). "
        "Most is held in the steps."
    )
    large = cost(encoding=9 * 2**30).plan_for(MemoryChoice())
    assert large.elsewhere() == "Most of the run is held in encoding: about 9.0 GiB." and large.sentence().endswith(large.elsewhere())
    assert cost().plan_for(MemoryChoice()).elsewhere() == ""
    assert cost(is_measured=True).plan_for(MemoryChoice()).sentence().startswith("Measured on one step: training needs")


def test_encoding_stays_within_the_steps():
    """A step with every block recomputed takes 16 + 142 + 32 beside the model: three pictures of 60, however the run is made."""
    assert cost(picture=60).pictures_at_once() == 3
    assert cost(picture=191).pictures_at_once() == 1, "one at least"
