"""What the plan says of a run against what torch's allocator hands out in it; `make plan-check` does it for many more settings."""

from pack.tests.exactness.cases import NARROW, SETTINGS, cases, pairs
from pack.tests.exactness.measure import Run, measure, model_of


def test_a_run_holds_what_was_planned(comfy):
    run = Run(family="sd15", config=NARROW, bucket=(64, 64), recompute="all", precision="bf16", optimizer="AdamW8bit")
    assert abs(measure(run, model_of(run)).error) < 0.05


def test_the_list_of_cases_has_every_pair():
    rows = [{name: getattr(run, name) for name in SETTINGS} for run in cases()]
    wanted = {((one, a), (other, b)) for i, one in enumerate(SETTINGS) for other in list(SETTINGS)[i + 1:]
              for a in SETTINGS[one] for b in SETTINGS[other]}
    assert set().union(*map(pairs, rows)) == wanted and len(rows) <= 40
