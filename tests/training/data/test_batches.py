"""The plan of draws: what it reckons does not grow with what it plans."""

from pack.training.data import batches
from pack.training.data.batches import BatchPlan, Draw, draw_seed


def test_a_step_makes_its_own_draws_and_no_others(monkeypatch):
    asked = []
    monkeypatch.setattr(batches, "draw_seed", lambda *place: asked.append(place) or draw_seed(*place))
    for pictures in (100, 3_000):
        plan = BatchPlan([(64, 64)] * pictures, [2] * pictures, batch_size=3, accumulation=2, seed=5)
        asked.clear()
        group = plan.group(plan.steps_per_epoch)
        assert len(asked) == sum(map(len, group)) == 6
        assert all(draw == Draw(draw.item, draw.repeat, 1, draw_seed(5, 1, draw.item, draw.repeat)) for batch in group for draw in batch)


def test_an_epoch_holds_every_draw_once():
    plan = BatchPlan([(64, 64), (64, 128), (64, 64)], [1, 3, 2], batch_size=2, accumulation=2, seed=1)
    draws = [draw for step in range(plan.steps_per_epoch) for batch in plan.group(step) for draw in batch]
    assert sorted((draw.item, draw.repeat) for draw in draws) == [(0, 0), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1)]
