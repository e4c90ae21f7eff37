"""Choosing, on a step of four blocks with round numbers: every way is reckoned by hand.

The blocks keep 100 bytes each for backward, the last one 200, and take 10 FLOPs each; 50 bytes are there in any case, 40 of the
optimizer's state, 300 of the model. The device makes 10 FLOPs a second, and 100 bytes a second come from main memory, 70 % of that
while it computes. So a step without recomputing takes 8 seconds, one more for every block that is computed twice, 0.8 more when
the state comes and goes, and 0.6 for every 100 bytes that are moved behind the computing.
"""

from dataclasses import replace
from itertools import combinations

import pytest

from pack.training.memory.choice import ALL, CHEAP, DEVICE, MAIN_MEMORY, NONE, PAGED, MemoryChoice
from pack.training.memory.choose import AUTO, LEAST, Costs, Speeds, Way, cheaper, choices, choose, moved, way_of

SAVES = {"a": 100, "b": 100, "c": 100, "d": 200}
FLOPS = dict.fromkeys(SAVES, 10)
SPEEDS = Speeds(flops=10, link=100, hidden=0.7)


def beside(choice: MemoryChoice) -> int:
    """In main memory a tenth of what is kept is there at any time. There is nothing cheap in these blocks."""
    kept = sum(size for block, size in SAVES.items() if choice.recompute == CHEAP or not choice.recomputes(block))
    return 50 + (kept if choice.activations == DEVICE else kept // 10) + (40 if choice.state == DEVICE else 0)


COSTS = Costs(beside=beside, weights=300, state=40, saves=SAVES, flops=FLOPS, speeds=SPEEDS)
APART = Costs(beside=beside, state=40, saves=SAVES, flops=FLOPS, speeds=SPEEDS, main_memory=False)


def of(recompute, activations=DEVICE, state=DEVICE) -> MemoryChoice:
    return MemoryChoice(recompute=recompute, activations=activations, state=state)


@pytest.mark.parametrize(("budget", "choice", "on_device", "seconds"), [
    (890, of(NONE), 300, 8.0),  # all of it fits: 590 + 300
    (850, of(NONE), 260, 8 + 2 * 40 / 100 * 0.3),  # 40 of the model away, there and back in both passes
    (690, of(("d",)), 300, 9.0),  # 190 of the model away would take 8 + 1.14
    (650, of(("d",)), 260, 9 + 2.25 * 40 / 100 * 0.3),
    (490, of(("d",)), 100, 9 + 2.25 * 200 / 100 * 0.3),  # two blocks more instead would be 11
])
def test_the_fastest_that_fits(budget, choice, on_device, seconds):
    way = choose(COSTS, budget)
    assert (way.choice, way.on_device) == (choice, on_device)
    assert way.seconds == pytest.approx(seconds) and way.total <= budget


def test_it_is_the_best_of_all_sets_too():
    """Against every subset of the blocks, with the whole model on the device and nothing moved."""
    for budget in range(50, 600, 10):
        costs = Costs(beside=beside, saves=SAVES, flops=FLOPS, speeds=SPEEDS, main_memory=False)
        sets = [chosen for size in range(5) for chosen in combinations(SAVES, size)]
        fitting = [8 + len(chosen) for chosen in sets if beside(of(chosen)) <= budget]
        way = choose(costs, budget)
        assert not fitting or way.seconds == pytest.approx(min(fitting))


def test_what_is_cheap_comes_before_whole_blocks():
    """Half of what is kept, for a tenth of a forward: 8.4 seconds instead of 9."""
    costs = replace(APART, beside=lambda choice: 295 if choice.recompute == CHEAP else beside(choice))
    assert [choose(costs, budget).choice.recompute for budget in (590, 589, 294)] == [NONE, CHEAP, ("d", "a")]
    assert choose(costs, 589).seconds == pytest.approx(8.4)


def test_what_takes_least():
    way = choose(COSTS, 10_000, LEAST)
    assert way == Way(choice=of(ALL, DEVICE, MAIN_MEMORY), beside=50, on_device=0, seconds=pytest.approx(12 + 9 - 0.7 * 9 + 0.8))


def test_where_nothing_fits_it_is_what_takes_least():
    assert choose(COSTS, 10) == choose(COSTS, 10_000, LEAST)
    assert choose(APART, 10).choice == of(ALL)


def test_on_a_cpu_nothing_is_moved():
    assert {(choice.activations, choice.state) for choice in choices(APART)} == {(DEVICE, DEVICE)}
    assert choose(APART, 390).choice == of(("d",))


def test_a_state_that_can_be_paged_is_paged_where_that_is_enough():
    """30 of its 40 bytes come and go in 0.6 seconds; the whole of it would take 0.8."""
    costs = replace(COSTS, beside=lambda choice: beside(choice) + (10 if choice.state == PAGED else 0), pages=30, weights=0)
    assert {choice.state for choice in choices(costs)} == {DEVICE, PAGED, MAIN_MEMORY}
    found = [choose(costs, budget) for budget in (590, 589, 560, 559)]
    assert [way.choice for way in found] == [of(NONE), of(NONE, state=PAGED), of(NONE, state=PAGED), of(NONE, state=MAIN_MEMORY)]
    assert [way.seconds for way in found] == pytest.approx([8, 8.6, 8.6, 8.8])
    assert PAGED not in {choice.state for choice in choices(COSTS)}


def test_without_knowing_the_blocks_it_is_all_or_none():
    """The times are those of a usual model then: what fits without computing twice is faster."""
    costs = Costs(beside=lambda choice: 100 if choice.recompute == NONE else 40, main_memory=False)
    assert [choose(costs, budget).choice.recompute for budget in (100, 99, 10)] == [NONE, ALL, ALL]


def test_the_next_cheaper_way_takes_a_tenth_less_until_nothing_does():
    way, seen = choose(COSTS, 890, AUTO), []
    while way is not None:
        seen.append((way.total, way.seconds))
        way = cheaper(COSTS, way)
    assert seen[1][0] <= 801 and all(later[0] <= 0.9 * earlier[0] for earlier, later in zip(seen, seen[1:-1], strict=False))
    assert seen[-1][0] == 50 and [seconds for _, seconds in seen] == sorted(seconds for _, seconds in seen)


def test_after_the_last_tenth_whatever_takes_less():
    costs = Costs(beside=lambda choice: 100 if choice.recompute == NONE else 95, main_memory=False)
    way = cheaper(costs, way_of(costs, of(NONE), 0))
    assert way is not None and way.choice == of(ALL) and cheaper(costs, way) is None


def test_a_choice_made_by_hand_leaves_as_much_of_the_model_as_fits():
    assert [way_of(COSTS, of(ALL), budget).on_device for budget in (1000, 300, 90, 10)] == [300, 210, 0, 0]


@pytest.mark.parametrize(("budget", "on_device", "copies"), [
    (890, 300, 0),  # the model is there whole: 590 and 300
    (889, 259, 40),  # one byte less, and 40 go to the copies of what is not
    (640, 10, 40),
    (600, 0, 40), (100, 0, 40),  # nothing of it fits, and the copies are needed all the same
])
def test_what_is_not_on_the_device_is_copied_there(budget, on_device, copies):
    way = way_of(replace(COSTS, copies=40), of(NONE), budget)
    assert (way.on_device, way.copies) == (on_device, copies)
    assert way.total == 590 + on_device + copies


def test_copies_are_no_larger_than_what_they_are_copies_of():
    way = way_of(replace(COSTS, copies=500), of(NONE), 600)
    assert (way.on_device, way.copies, way.total) == (0, 300, 890)


@pytest.mark.parametrize(("choice", "on_device", "bytes_moved"), [
    (of(NONE), 300, 0),
    (of(NONE), 260, 2 * 40),  # for forward and backward
    (of(("d",)), 260, 3 * 40),  # and for what is computed twice, all of it at most
    (of(NONE, MAIN_MEMORY), 300, 2 * 450),  # nine tenths of 500 go and come
    (of(ALL, DEVICE, MAIN_MEMORY), 300, 2 * 40),  # the state comes for the update, and goes
])
def test_what_is_moved_in_a_step(choice, on_device, bytes_moved):
    assert moved(COSTS, Way(choice=choice, beside=beside(choice), on_device=on_device, seconds=0)) == bytes_moved
