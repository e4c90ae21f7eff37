"""What is told before the first step is recorded with it, or not at all."""

import pytest

from pack.training.events import Message, Progress, RunEnded, RunStarted, StepDone
from pack.training.record.held import FromFirstStep
from pack.training.record.log import JsonlLog
from pack.training.record.loss_plot import LossPlot
from pack.training.record.run_json import RunJson, read_run

NOTICE = Message(level="warning", topic="settings", text="few pictures")
PROGRESS = Progress(phase="latents", done=1, total=2)


class Told(list):
    name, critical = "told", False

    def __call__(self, event):
        self.append(event)


def ended(reason, at=0):
    return RunEnded(reason=reason, step=at, total_steps=100, lora_path=None, seconds=1.0)


def test_the_first_step_brings_everything_in_order(tmp_path, started, step):
    told = Told()
    held = FromFirstStep(told)
    begin, first = started(tmp_path), step(1)
    for event in (NOTICE, PROGRESS, begin):
        held(event)
    assert told == []
    for event in (first, PROGRESS, ended("failed", 1)):
        held(event)
    assert told == [NOTICE, begin, first, PROGRESS, ended("failed", 1)]


@pytest.mark.parametrize(("reason", "start_step", "recorded"), [
    ("failed", 0, False), ("cancelled", 0, False), ("stopped", 0, True), ("paused", 0, True),
    ("failed", 5, False), ("cancelled", 5, False), ("stopped", 5, False), ("paused", 5, False), ("finished", 5, True),
])
def test_an_end_without_a_step(tmp_path, started, reason, start_step, recorded):
    told = Told()
    held = FromFirstStep(told)
    held(started(tmp_path, start_step))
    held(ended(reason, start_step))
    assert bool(told) == recorded


def test_a_finished_run_that_goes_on_for_no_step_stays_as_it_is(tmp_path, started, step):
    told = Told()
    held = FromFirstStep(told, is_finished=True)
    for event in (started(tmp_path, 5), ended("finished", 5)):
        held(event)
    assert told == []
    held = FromFirstStep(told, is_finished=True)
    for event in (started(tmp_path, 5), step(6), ended("finished", 6)):
        held(event)
    assert [type(event) for event in told] == [RunStarted, StepDone, RunEnded]


def test_a_listener_that_fails_once_is_told_the_rest(tmp_path, started, step):
    told = Told()

    def fails_at_the_start(event):
        told.append(event)
        if len(told) == 1:
            raise OSError("no space")

    fails_at_the_start.name, fails_at_the_start.critical = "it", False
    held = FromFirstStep(fails_at_the_start)
    events = [started(tmp_path), step(1), step(2)]
    held(events[0])
    with pytest.raises(OSError, match="no space"):
        held(events[1])
    held(events[2])
    assert told == events


@pytest.mark.parametrize("start", ["refused", "fails to build", "fails in its first step"])
def test_the_record_of_a_good_run_outlives_a_resume_that_takes_no_step(tmp_path, started, step, start):
    def listeners():
        return [LossPlot(tmp_path), *map(FromFirstStep, (JsonlLog(tmp_path), RunJson(tmp_path, workflow={"nodes": []})))]

    def tell(*events):
        for listener in told:
            for event in events:
                listener(event)

    told = listeners()
    tell(started(tmp_path, rank=8), step(1), step(2), ended("finished", 2))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert before.keys() == {"run.json", "log.jsonl", "loss.png", "graph.json"} and read_run(tmp_path)["status"] == "finished"
    told = listeners()
    tell(NOTICE, *([started(tmp_path, start_step=2)] if start == "fails in its first step" else []), ended("failed", 0))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
