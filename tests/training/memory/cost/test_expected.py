"""How long a step should take, by hand."""

import pytest

from pack.training.memory.cost.expected import expected_seconds
from pack.training.memory.cost.trace import Effort


def test_what_is_computed_called_and_moved_takes_its_time_one_after_the_other():
    """SDXL, roughly: 18e12 FLOPs at a tenth of 6e13 a second, 20,000 operations, 5 GB moved."""
    assert expected_seconds(Effort(18 * 10**12, 20_000), 5 * 10**9, 6e13) == pytest.approx(3 + 1.2 + 1)
