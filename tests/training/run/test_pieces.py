"""A run that goes on keeps the pictures of its updates, however many are computed at once and in however many processes."""

from dataclasses import replace
from pathlib import Path

import pytest

from pack.tests.training.run.fakes import Bench
from pack.tests.training.run.test_resume import stop_at
from pack.tests.training.run.together import ground as run_of
from pack.tests.training.run.together import require_same_weights, steps_of
from pack.training.data.batches import BatchPlan
from pack.training.events import Message, StepDone
from pack.training.objective.spec import ObjectiveSpec
from pack.training.processes.processes import Processes
from pack.training.run.resume.begun import UPDATE, as_begun, update_of
from pack.training.run.resume.identity import allowed_changes, changes, settings_identity
from pack.training.run.state import saved_identity, state_file
from pack.training.specs import Update

STEPS, CUT = 12, 5


def bench(folder: Path, batch_size: int, accumulation: int) -> Bench:
    """Five pictures of one size, three of another: with short batches. Noise levels follow from a picture's place in the update."""
    made = run_of(folder, "AdamW", steps=STEPS)
    made.run_spec = replace(made.run_spec, batch_size=batch_size, gradient_accumulation=accumulation)
    made.objective = ObjectiveSpec(stratified=True)
    return made


@pytest.mark.parametrize(("begun", "pieces"), [((4, 1), (1, 4)), ((1, 4), (4, 1)), ((2, 2), (4, 1)), ((3, 2), (2, 3))])
def test_it_sees_what_it_would_have_seen(tmp_path, begun, pieces):
    whole, cut, later = bench(tmp_path / "whole", *begun), bench(tmp_path, *begun), bench(tmp_path, *pieces)
    whole.run()
    stop_at(cut, CUT).run()
    result = later.run(state_file(cut.folder))
    assert result.reason == "finished" and saved_identity(state_file(cut.folder))[UPDATE] == list(begun)
    assert [event.step for event in later.recorder.of(StepDone)] == list(range(CUT + 1, STEPS + 1))
    assert steps_of(later)[0] == pytest.approx(steps_of(whole)[CUT], rel=1e-5)
    require_same_weights(later.folder / "AdamW.safetensors", whole)
    told = [event.text for event in later.recorder.of(Message) if event.topic == "resume"]
    assert told == ["goes on with other settings, which is allowed: Train LoRA: "
                    f"batch_size was {begun[0]}, is now {pieces[0]}; Train LoRA: gradient_accumulation was {begun[1]}, is now {pieces[1]}."]


def test_pieces_are_of_one_bucket_and_know_their_places():
    plan = BatchPlan([(64, 64)] * 5 + [(128, 64)] * 3, [1] * 8, batch_size=2, accumulation=4, seed=3, at_once=3)
    group = plan.group(0)
    flat, pieces = [draw for batch in group for draw in batch], plan.cut(group)
    assert sorted(place for piece in pieces for place, _ in piece) == list(range(len(flat)))
    assert all(flat[place] is draw for piece in pieces for place, draw in piece)
    assert sorted(map(len, pieces)) == sorted([3, 3] if len(flat) == 6 else [2, 3, 3])
    assert all(len({draw.item < 5 for _, draw in piece}) == 1 for piece in pieces)


@pytest.mark.parametrize(("begun", "asked", "most"), [((4, 1), (4, 1), 1), ((4, 1), (2, 2), 2), ((1, 4), (4, 1), 4), ((3, 2), (2, 3), 4)])
def test_how_many_pieces_an_update_may_take(tmp_path, begun, asked, most):
    """Memory and time are foreseen for so many."""
    order = replace(bench(tmp_path, *asked).order(), begun=Update(*begun))
    assert order.most_pieces == most
    plan = BatchPlan([(64, 64)] * 40 + [(128, 64)] * 24, [1] * 64, batch_size=begun[0], accumulation=begun[1], seed=2, at_once=asked[0])
    assert max(len(plan.cut(plan.group(step))) for step in range(plan.steps_per_epoch)) <= most


class Several(Processes):
    def __init__(self, size: int):
        self.size = size


def order_of(folder: Path, processes: int, batch_size: int, accumulation: int):
    made = bench(folder, batch_size, accumulation)
    made.processes = Several(processes)
    return made.order()


@pytest.mark.parametrize("is_of_before", [False, True])
@pytest.mark.parametrize(("now", "is_the_same"), [
    ((1, 4, 1), True), ((1, 1, 4), True), ((2, 1, 2), True), ((4, 1, 1), True), ((2, 2, 1), True), ((2, 2, 2), False), ((3, 1, 1), False),
])  # fmt: skip
def test_what_counts_is_processes_x_batch_size_x_accumulation(tmp_path, now, is_the_same, is_of_before):
    """Begun by two processes x 1 picture x 2; a state of before has them as settings of Train LoRA."""
    saved = settings_identity(order_of(tmp_path, 2, 1, 2))
    if is_of_before:
        del saved[UPDATE]
        saved |= {"Train LoRA: batch_size": 2, "Train LoRA: gradient_accumulation": 2}
    order = order_of(tmp_path, *now)
    processes, batch_size, accumulation = now
    total, whose = processes * batch_size, f" (batch_size of all {processes} processes)" if processes > 1 else ""
    assert changes(saved, order, None) == ([] if is_the_same else [
        f"Train LoRA: batch_size x gradient_accumulation was 2 x 2, is now {total} x {accumulation}{whose}: an update would see "
        f"{total * accumulation} pictures in place of 4"])
    begun, _ = as_begun(order, saved)
    assert (begun.update.batch_size, begun.update.accumulation, begun.asked.batch_size) == (2, 2, total)
    assert any("batch_size" in change for change in allowed_changes(saved, begun)) == (total != 2)


@pytest.mark.parametrize("made_of", [[0, 4], [4], "22", [True, "4"], None])
def test_an_update_that_no_run_has_is_refused(made_of):
    with pytest.raises((TypeError, ValueError)):
        update_of({UPDATE: made_of})
