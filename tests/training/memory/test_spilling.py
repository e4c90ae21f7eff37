"""The watch on spilling, step by step."""

from pack.training.devices.card import Reading
from pack.training.memory.spilling import OFTEN, SpillWatch

GIB = 2**30


def told(steps: list[tuple[float, float]], total: float = 8, read=lambda: None) -> list[int]:
    """The numbers of the steps (from 0), as (seconds, GiB held), at which something was said."""
    watch = SpillWatch(int(total * GIB), read)
    return [i for i, (seconds, held) in enumerate(steps) if watch.step(seconds, 1, int(held * GIB))]


def card(**sizes: float) -> Reading:
    """Sizes in GiB."""
    return Reading(**{name: int(size * GIB) for name, size in sizes.items()})


def test_slow_and_full_is_said_once():
    steps = [(1.0, 7.8)] * 13 + [(4.0, 7.8)] * 20
    assert told(steps) == [17]  # three to warm up, ten to compare with, five slow ones


def test_slow_alone_or_full_alone_is_nothing():
    assert told([(1.0, 4.0)] * 13 + [(4.0, 4.0)] * 20) == []
    assert told([(1.0, 7.9)] * 40) == []


def slower_than(expected: float, seconds: list[float], held: float = 7.8) -> list[int]:
    """As `told`, where a step should take `expected`."""
    watch = SpillWatch(8 * GIB)
    watch.expect(expected)
    return [i for i, taken in enumerate(seconds) if watch.step(taken, 1, int(held * GIB))]


def test_a_full_card_on_which_steps_take_longer_than_was_to_be_expected_is_said_in_the_second_step():
    assert slower_than(1.0, [9.0, 2.6, 2.6]) == [1]


def test_the_first_step_may_take_long_and_so_may_any_other_one():
    assert slower_than(1.0, [9.0, 1.0, 9.0, 1.0]) == []


def test_steps_as_expected_or_on_a_card_with_room_are_nothing():
    assert slower_than(1.0, [2.4] * 40) == [], "less than 2.5 times"
    assert slower_than(1.0, [9.0] * 40, held=7.1) == [], "89 % of the card"


def test_what_is_expected_changes_with_the_way_that_is_taken():
    watch = SpillWatch(8 * GIB)
    watch.expect(1.0)
    assert watch.step(2.6, 1, 8 * GIB) is None
    watch.expect(2.0)
    assert [watch.step(4.9, 1, 8 * GIB) for _ in range(3)] == [None] * 3
    assert watch.step(5.1, 1, 8 * GIB) is None
    assert watch.step(5.2, 1, 8 * GIB) == (
        "Steps take 5.1 s, where at most about 2.0 were to be expected, while memory is full (8.0 of 8.0 GiB): what does not fit is "
        "moved to where it is slow. Lower resolution on Bucket Config."
    )


def test_one_slow_step_is_nothing():
    assert told([(1.0, 7.8)] * 13 + [(9.0, 7.8), (1.0, 7.8), (1.0, 7.8)] * 5) == []


def test_larger_groups_are_not_slower():
    watch = SpillWatch(8 * GIB)
    said = [watch.step(1.0, 1, 8 * GIB) for _ in range(13)] + [watch.step(4.0, 4, 8 * GIB) for _ in range(20)]
    assert said == [None] * 33


def test_what_does_not_lie_on_the_card_is_said_in_the_first_step():
    """Windows: 6.5 GiB of the 7.9 that are held lie on the card."""
    assert told([(1.0, 7.9)] * 3, read=lambda: card(used=7.7, ours=6.5, shared=1.6)) == [0]


def test_more_held_than_all_programs_use_is_said_in_the_first_step():
    """The driver counts 7.8 GiB in use of 8, and this program alone holds 9: the rest lies elsewhere."""
    assert told([(1.0, 9.0)] * 3, read=lambda: card(used=7.8)) == [0]


def test_memory_that_begins_to_be_moved_later_is_noticed_within_ten_steps():
    readings = iter([card(used=7.5, ours=7.4)] * OFTEN + [card(used=7.9, ours=6.0)] * 100)
    assert told([(1.0, 7.4)] * 40, read=lambda: next(readings)) == [2 * OFTEN - 1]


def test_pinned_memory_is_not_what_was_moved():
    """Pinned weights count as shared memory too: nothing is missing on the card."""
    assert told([(1.0, 6.0)] * 40, read=lambda: card(used=7.0, ours=6.4, shared=9.0)) == []


def test_a_card_that_others_fill_is_full_and_slow_then_counts():
    """4 GiB are ours and 3.8 somebody else's; by what torch holds the card would be half empty."""
    steps = [(1.0, 4.0)] * 13 + [(4.0, 4.0)] * 20
    assert told(steps, read=lambda: card(used=7.8)) == [17]


def test_the_driver_is_not_asked_in_every_step():
    asked = []
    told([(1.0, 4.0)] * 100, read=lambda: asked.append(1))
    assert len(asked) == OFTEN + 9


def test_nothing_is_noticed_where_nobody_knows_what_is_held():
    watch = SpillWatch(0)
    assert [watch.step(1.0, 1, None) for _ in range(40)] == [None] * 40


def test_the_message_names_the_others_share_and_what_each_setting_saves():
    saves = {"AdamW8bit on Optimizer": GIB // 4, "gradient_checkpointing on Train LoRA": 3 * GIB}
    watch = SpillWatch(8 * GIB, lambda: card(used=7.7, ours=5.6, shared=1.5), lambda: saves)
    assert watch.step(1.0, 1, 7 * GIB) == (
        "1.4 of the 7.0 GiB that training holds do not lie on the card, which has 8.0: its driver has moved them into main memory, and "
        "every step waits for them. Other programs hold 2.1 GiB of the card: close them. What helps, and about what it saves: "
        "gradient_checkpointing on Train LoRA (3.0 GiB), AdamW8bit on Optimizer (0.2 GiB)."
    )


def test_where_no_setting_is_known_to_help_a_lower_resolution_does():
    said = SpillWatch(8 * GIB, lambda: card(used=7.9)).step(1.0, 1, 9 * GIB)
    assert said.endswith("every step waits for them. Lower resolution on Bucket Config.")
