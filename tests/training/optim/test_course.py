"""What the learning rate does in a run that is resumed with another length: hand-computed cosines."""

import json
import math

import pytest

from pack.training.optim.course import Course, resumed
from pack.training.optim.schedules import Constant, Cosine, Schedule
from pack.training.specs import CONTINUE, HOLD, RESTART

COSINE = Schedule(Cosine(), warmup_percent=0)
WARM = Schedule(Cosine(), warmup_percent=20)


def cosine(step: int, total: int) -> float:
    return 0.5 * (1 + math.cos(math.pi * step / total))


def memory(course: Course, step: int) -> dict:
    """As the state file gives it back."""
    return json.loads(json.dumps(course.memory(step)))


FIRST = memory(Course(schedule=COSINE, total_steps=20), 20)


def values(course: Course, steps: range) -> list[float]:
    return [course(step) for step in steps]


def test_a_new_run_follows_its_schedule():
    assert values(Course(schedule=COSINE, total_steps=20), range(20)) == pytest.approx([cosine(step, 20) for step in range(20)])


def test_continue_is_the_curve_of_the_new_length():
    assert FIRST["last"] == pytest.approx(cosine(19, 20))
    course = resumed(COSINE, 30, 20, CONTINUE, FIRST)
    assert values(course, range(20, 30)) == pytest.approx([cosine(step, 30) for step in range(20, 30)])
    assert course(20) > 40 * FIRST["last"]  # the jump that is told


def test_hold_stays_at_the_rate_of_the_last_step():
    assert values(resumed(COSINE, 30, 20, HOLD, FIRST), range(20, 30)) == pytest.approx([cosine(19, 20)] * 10)


def test_restart_is_the_curve_anew_over_what_is_left_warm_up_included():
    assert values(resumed(COSINE, 30, 20, RESTART, FIRST), range(20, 30)) == pytest.approx([cosine(step, 10) for step in range(10)])
    assert values(resumed(WARM, 30, 20, RESTART, FIRST), range(20, 24)) == pytest.approx([0, 0.5, 1, cosine(1, 8)])


@pytest.mark.parametrize("way", [CONTINUE, HOLD, RESTART])
@pytest.mark.parametrize("asked", [CONTINUE, HOLD, RESTART])
def test_paused_again_it_goes_on_as_it_did_whatever_is_asked(way, asked):
    longer = resumed(COSINE, 30, 20, way, FIRST)
    again = resumed(COSINE, 30, 25, asked, memory(longer, 25))
    assert values(again, range(25, 30)) == values(longer, range(25, 30))


def test_another_schedule_counts_as_another_length_does():
    course = resumed(Schedule(Constant()), 20, 10, HOLD, memory(Course(schedule=COSINE, total_steps=20), 10))
    assert values(course, range(10, 20)) == pytest.approx([cosine(9, 20)] * 10)


def test_a_state_of_before_knows_nothing():
    assert values(resumed(COSINE, 30, 20, CONTINUE, None), range(20, 30)) == pytest.approx([cosine(step, 30) for step in range(20, 30)])
    assert resumed(COSINE, 30, 20, HOLD, None)(29) == pytest.approx(cosine(19, 30))
    assert resumed(COSINE, 30, 20, RESTART, None)(20) == 1


@pytest.mark.parametrize("way", [HOLD, RESTART])
def test_a_run_that_has_made_no_step_begins(way):
    course = resumed(COSINE, 30, 0, way, memory(Course(schedule=COSINE, total_steps=20), 0))
    assert course(0) == 1 and course(15) == pytest.approx(0.5)


@pytest.mark.parametrize("broken", [{"way": "up"}, {"start": -1}, {"level": math.nan}, {"level": "much"}, {"start": None}])
def test_a_memory_that_is_none_is_refused(broken):
    with pytest.raises((TypeError, ValueError)):
        resumed(COSINE, 20, 10, CONTINUE, {**FIRST, **broken})


def test_a_run_that_was_made_shorter_than_it_is_stays_what_it_is():
    """Nothing is left to do; asked again, it still says so."""
    shorter = resumed(COSINE, 10, 15, HOLD, memory(Course(schedule=COSINE, total_steps=20), 15))
    assert resumed(COSINE, 10, 15, HOLD, memory(shorter, 15)) == shorter
