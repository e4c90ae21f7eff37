"""Axes: where a value lies on the picture."""

import numpy as np
import pytest

from pack.training.drawing.chart import BLUE, Chart, Frame, thinned

FRAME = Frame(box=(10, 20, 110, 70), x_range=(0, 10), y_range=(-1, 1))


def test_points_by_hand():
    """100 pixels wide for 10, 50 pixels high for 2, upwards."""
    xs, ys = np.array([0.0, 5.0, 10.0, 5.0]), np.array([-1.0, 0.0, 1.0, 9.0])
    assert FRAME.points(xs, ys) == [(10, 70), (60, 45), (110, 20), (60, 20)]
    assert FRAME.points(xs, np.array([np.nan, 0.0, np.inf, np.nan])) == [(60, 45)]


def test_ranges_without_width_do_not_divide_by_zero():
    frame = Frame(box=(10, 20, 110, 70), x_range=(3, 3), y_range=(5, 5))
    assert frame.points(np.array([3.0]), np.array([5.0])) == [(10, 70)]


def test_a_line_is_drawn_in_its_colour():
    chart = Chart((200, 100), (0, 1), (0, 1))
    chart.line(np.array([0.0, 1.0]), np.array([0.5, 0.5]), BLUE)
    picture = chart.picture()
    # the plot lies between y = 44 and 100 - 36 = 64: its middle is 54; BLUE is #6cb6ff, and the reducing rings a little
    assert picture.size == (200, 100) and picture.getpixel((100, 54)) == pytest.approx((0x6C, 0xB6, 0xFF), abs=6)
    assert picture.getpixel((100, 47)) == pytest.approx((0x1B, 0x1B, 0x1F), abs=6)


def test_of_many_points_those_are_drawn_that_are_seen():
    """By hand: three columns of pixels; of each the first, lowest, highest and last point."""
    points = [(0.1 * i, float(y)) for i, y in enumerate([5, 9, 1, 4, 4, 4, 4, 4, 4, 6])]  # all of column 0
    assert thinned(points) == [(0.0, 5.0), (0.1, 9.0), (0.2, 1.0), pytest.approx((0.9, 6.0))]
    assert thinned(points[:4]) == points[:4]


def test_what_is_drawn_does_not_grow_with_the_steps():
    rng = np.random.default_rng(5)
    sizes = []
    for count in (10_000, 100_000):
        frame = Frame((0, 0, 1000, 500), (0, count), (0, 1))
        sizes.append(len(thinned(frame.points(np.arange(count, dtype=float), rng.random(count)))))
    assert all(size <= 4 * 1001 for size in sizes)


def test_a_thinned_curve_looks_the_same(monkeypatch):
    xs, ys = np.linspace(0, 1, 20_000), np.random.default_rng(5).random(20_000) * 0.5 + 0.25
    pictures = []
    for way in (thinned, lambda points: points):
        monkeypatch.setattr("pack.training.drawing.chart.thinned", way)
        chart = Chart((400, 200), (0, 1), (0, 1))
        chart.line(xs, ys, BLUE, 1)
        pictures.append(np.asarray(chart.picture(), dtype=float))
    assert np.abs(pictures[0] - pictures[1]).mean() < 1
