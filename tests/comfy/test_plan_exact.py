"""What the plan says of a run against what torch's allocator hands out in it; `make plan-check` does it for many more settings."""

import pytest

from pack.tests.comfy.full_size import FLUX
from pack.tests.exactness.cases import NARROW, SETTINGS, cases, pairs
from pack.tests.exactness.depth import FEW, WAYS, foretold, plan
from pack.tests.exactness.measure import Run, measure, model_of

THIN = {"config": {**FLUX, "hidden_size": 96, "num_heads": 3, "axes_dim": [4, 14, 14], "context_in_dim": 64}, "side": 128, "rank": 4}


def test_a_run_holds_what_was_planned(comfy):
    run = Run(family="sd15", config=NARROW, bucket=(64, 64), recompute="all", precision="bf16", optimizer="AdamW8bit")
    assert abs(measure(run, model_of(run)).error) < 0.05


def test_the_list_of_cases_has_every_pair():
    rows = [{name: getattr(run, name) for name in SETTINGS} for run in cases()]
    wanted = {((one, a), (other, b)) for i, one in enumerate(SETTINGS) for other in list(SETTINGS)[i + 1:]
              for a in SETTINGS[one] for b in SETTINGS[other]}
    assert set().union(*map(pairs, rows)) == wanted and len(rows) <= 40


@pytest.fixture(scope="module")
def few(comfy):
    return {depth: plan(depth, **THIN) for depth in FEW}


def test_few_blocks_foretell_what_more_take(comfy, few):
    """Of more blocks, most are only counted."""
    more = plan((7, 9), **THIN)
    assert {way: foretold(few, (7, 9), way) for way in WAYS} == {way: pytest.approx(size, rel=0.01) for way, size in more.items()}
