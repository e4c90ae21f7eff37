"""Which frames a clip takes: by hand."""

from fractions import Fraction

import pytest

from pack.training.data.clips.timing import MAX_FRAMES, ClipSpec, nearest, reel
from pack.training.data.decoding import Header

HEADER = Header((64, 64), False, True)


def at(rate: int, count: int, start: Fraction = Fraction(0)) -> list[Fraction]:
    return [start + Fraction(number, rate) for number in range(count)]


def taken(times, **spec):
    """(how many a scan promises, whether more follow, which are then taken)."""
    wanted = ClipSpec(**spec)
    found = reel(HEADER, times, wanted)
    return found.frames, found.longer, list(nearest(zip(times, range(len(times)), strict=True), found.frames, wanted.fps))


def test_every_frame_at_the_speed_of_the_file():
    assert taken(at(16, 5), frames=5, fps=16) == (5, False, [0, 1, 2, 3, 4])
    assert taken(at(16, 6), frames=5, fps=16) == (5, True, [0, 1, 2, 3, 4])
    assert taken(at(30, 9), frames=0, fps=0) == (9, False, list(range(9)))
    assert taken(at(30, 9), frames=4, fps=0) == (4, True, [0, 1, 2, 3])


def test_the_frame_shown_nearest_to_each_time():
    # 30 -> 16 a second: i * 1.875 = 0, 1.875, 3.75, 5.625, 7.5 (as near to both: the earlier), 9.375, ...
    assert taken(at(30, 30), frames=7, fps=16)[2] == [0, 2, 4, 6, 7, 9, 11]
    assert taken(at(32, 20, start=Fraction(5)), frames=5, fps=16)[2] == [0, 2, 4, 6, 8]
    # One second has 16 frames at 16 a second, whatever it has itself.
    assert [taken(at(rate, rate), frames=0, fps=16)[0] for rate in (16, 24, 30, 60)] == [16] * 4


def test_a_slow_file_shows_frames_twice():
    assert taken(at(8, 4), frames=0, fps=16) == (8, False, [0, 0, 1, 1, 2, 2, 3, 3])


def test_times_that_are_rounded_or_uneven():
    rounded = [Fraction(round(1000 * time), 1000) for time in at(16, 16)]  # as Matroska keeps them
    assert taken(rounded, frames=0, fps=16) == (16, False, list(range(16)))
    uneven = [Fraction(tenths, 10) for tenths in (0, 1, 2, 8, 9, 10)]
    # Five a second, so at 0, 0.2, ... 1: nothing comes between 0.2 and 0.8.
    assert taken(uneven, frames=0, fps=5)[2] == [0, 2, 2, 3, 3, 5]


def test_one_frame():
    assert taken([Fraction(3)], frames=17, fps=16) == (1, False, [0])
    assert taken(at(30, 90), frames=1, fps=16) == (1, True, [0])


def test_no_frame_is_asked_for_that_is_not_needed():
    asked = []

    def shown():
        for number, time in enumerate(at(16, 100)):
            asked.append(number)
            yield time, number

    assert list(nearest(shown(), 5, 16)) == [0, 1, 2, 3, 4] and len(asked) == 6
    asked.clear()
    assert list(nearest(shown(), 5, 0)) == [0, 1, 2, 3, 4] and len(asked) == 5


def test_a_file_that_ends_early_gives_what_it_has():
    times = at(16, 3)
    assert list(nearest(zip(times, "abc", strict=True), 17, 16))[:3] == ["a", "b", "c"]
    assert len(list(nearest(zip(times, "abc", strict=True), 17, 16))) < 5


@pytest.mark.parametrize(("spec", "named"), [
    ({"frames": -1}, "clip_frames is -1"), ({"frames": MAX_FRAMES + 1}, "clip_frames is 1001"), ({"fps": -1.0}, "clip_fps is -1"),
    ({"fps": 1000.0}, "clip_fps is 1000"), ({"fps": float("nan")}, "clip_fps is nan"),
])  # fmt: skip
def test_what_cannot_work_is_named(spec, named):
    (problem,) = ClipSpec(**spec).problems()
    assert named in problem
