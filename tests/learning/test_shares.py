import pytest

from pack.tests.learning.shares import Share, least


def test_wilsons_interval():
    """The textbook's 8 of 10: 0.490 to 0.943."""
    assert Share(8, 10).interval() == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert Share(10, 10).interval()[1] == pytest.approx(1.0)
    assert str(Share(8, 10)) == "8 of 10 (80.0%, 95 % interval 49.0% to 94.3%)"


@pytest.mark.parametrize(
    ("of", "true_share", "risk", "right"),
    [
        (1, 0.5, 0.6, 1),  # none comes half of the time: less than 0.6, so one is asked for
        (1, 0.5, 0.4, 0),
        (2, 0.5, 0.3, 1),  # none 1/4, at most one 3/4
        (2, 0.5, 0.8, 2),
        (10, 1.0, 0.001, 10),
    ],
)
def test_the_least_that_is_no_bad_luck(of, true_share, risk, right):
    assert least(of, true_share, risk) == right
