"""The watch on spilling, step by step."""

from pack.training.memory.spilling import SpillWatch

GIB = 2**30


def told(steps: list[tuple[float, float]], total: float = 8) -> list[int]:
    """The numbers of the steps (from 0), as (seconds, GiB held), at which something was said."""
    watch = SpillWatch(int(total * GIB))
    return [i for i, (seconds, held) in enumerate(steps) if watch.step(seconds, 1, int(held * GIB))]


def test_slow_and_full_is_said_once():
    steps = [(1.0, 7.8)] * 13 + [(4.0, 7.8)] * 20
    assert told(steps) == [17]  # three to warm up, ten to compare with, five slow ones


def test_slow_alone_or_full_alone_is_nothing():
    assert told([(1.0, 4.0)] * 13 + [(4.0, 4.0)] * 20) == []
    assert told([(1.0, 7.9)] * 40) == []


def test_one_slow_step_is_nothing():
    assert told([(1.0, 7.8)] * 13 + [(9.0, 7.8), (1.0, 7.8), (1.0, 7.8)] * 5) == []


def test_larger_groups_are_not_slower():
    watch = SpillWatch(8 * GIB)
    said = [watch.step(1.0, 1, 8 * GIB) for _ in range(13)] + [watch.step(4.0, 4, 8 * GIB) for _ in range(20)]
    assert said == [None] * 33
