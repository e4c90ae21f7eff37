"""A listener that fails costs no run: it is said once with its cause, and told the next event all the same."""

import json

import pytest
import torch

from pack.tests.training.unreliable_disk import Disk
from pack.training.errors import MissingLibraryError
from pack.training.events import Emitter, Message, PreviewReady, RunEnded
from pack.training.files.atomic import is_left_over
from pack.training.record.held import FromFirstStep
from pack.training.record.history import read_records
from pack.training.record.log import JsonlLog
from pack.training.record.reserve import Reserve
from pack.training.record.run_json import RunJson, read_run
from pack.training.record.samples import SampleFiles
from pack.training.record.tensorboard import TensorBoardLog


class Heard:
    name, critical = "heard", False

    def __init__(self):
        self.events = []

    def __call__(self, event):
        self.events.append(event)

    def warnings(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Message)]


class Failing:
    """Fails with each of `errors` in turn, then works."""

    name, critical = "the panel", False

    def __init__(self, *errors):
        self.errors, self.told = list(errors), []

    def __call__(self, event):
        if self.errors:
            raise self.errors.pop(0)
        self.told.append(event)


@pytest.fixture
def disk(monkeypatch) -> Disk:
    return Disk(monkeypatch)


def ended(at=3, reason="finished"):
    return RunEnded(reason=reason, step=at, total_steps=100, lora_path=None, seconds=1.0)


def test_a_failing_listener_is_told_the_next_event(step):
    panel, heard = Failing(RuntimeError("the socket is closed")), Heard()
    emit = Emitter([panel, heard])
    for number in (1, 2):
        emit(step(number))
    assert [getattr(event, "step", None) for event in panel.told] == [1, 2]  # the warning, and the second step
    assert heard.warnings() == [
        "the panel failed: RuntimeError: the socket is closed. Training goes on, and the next one is tried again."
    ]


def test_one_cause_is_said_once_another_one_again(step):
    panel, heard = Failing(*[ValueError("a")] * 8, ValueError("b")), Heard()
    emit = Emitter([panel, heard])
    for number in range(12):
        emit(step(number))
    assert [text.split(": ")[2][0] for text in heard.warnings()] == ["a", "b"]


def test_a_critical_one_ends_the_run(step):
    failing = Failing(ValueError("stop here"))
    failing.critical = True
    with pytest.raises(ValueError, match="stop here"):
        Emitter([failing])(step(1))


def test_full_for_two_steps_and_the_records_are_whole(tmp_path, disk, started, step):
    """As filed: the run finished, and run.json stayed at 'running, step 0'."""
    emit = Emitter([JsonlLog(tmp_path), RunJson(tmp_path, {"nodes": []}, clock=iter(range(0, 10_000, 5)).__next__)])
    emit(started(tmp_path))
    disk.refuses = lambda name: True
    emit(step(1))
    emit(step(2))
    disk.refuses = lambda name: False
    emit(step(3))
    emit(ended())
    entries = read_records(tmp_path)
    assert [entry["step"] for entry in entries if entry["event"] == "step"] == [1, 2, 3]
    assert sum("disk full" in entry.get("text", "") for entry in entries) == 2  # of the log itself, and of run.json
    assert (read_run(tmp_path)["status"], read_run(tmp_path)["step"]) == ("finished", 3)
    assert json.loads((tmp_path / "graph.json").read_text())["workflow"] == {"nodes": []}


def test_a_disk_that_is_full_at_the_start_only(tmp_path, disk, started, step):
    emit = Emitter([JsonlLog(tmp_path), RunJson(tmp_path, {"nodes": []}, clock=iter(range(0, 10_000, 5)).__next__)])
    disk.refuses = lambda name: True
    emit(started(tmp_path, rank=8))
    disk.refuses = lambda name: False
    emit(step(1))
    assert [entry["event"] for entry in read_records(tmp_path) if entry["event"] != "message"] == ["started", "step"]
    assert read_run(tmp_path)["settings"] == {"rank": 8} and (tmp_path / "graph.json").is_file()


def test_a_resumed_log_is_cut_once_it_can_be(tmp_path, disk, started, step, monkeypatch):
    first = Emitter([JsonlLog(tmp_path)])
    for event in (started(tmp_path), step(1), step(2), step(3)):
        first(event)
    second = Emitter([JsonlLog(tmp_path)])
    disk.refuses = lambda name: True
    second(started(tmp_path, start_step=1))
    disk.refuses = lambda name: False
    second(step(2))
    assert [entry["step"] for entry in read_records(tmp_path) if entry["event"] == "step"] == [1, 2]


def test_one_picture_that_is_refused_leaves_the_others(tmp_path, disk):
    disk.refuses = lambda name: name in ("step_000005_00.png", "step_000005_01.jpg")
    heard = Heard()
    pictures = PreviewReady(step=5, images=torch.rand(2, 8, 8, 3), prompts=("a", "b"), seeds=(1, 2))
    Emitter([SampleFiles(tmp_path), heard])(pictures)
    assert [path.name for path in (tmp_path / "samples").glob("*.png")] == ["step_000005_01.png"]
    assert [path.name for path in (tmp_path / "samples" / "small").iterdir()] == ["step_000005_00.jpg"]
    assert len(heard.warnings()) == 1 and "'step_000005_00.png'" in heard.warnings()[0]


class Writer:
    def __init__(self, fails: bool):
        self.fails, self.steps, self.closed = fails, [], False

    def add_scalar(self, tag, value, at):
        if self.fails:
            raise OSError("the writer's thread is gone")
        self.steps.append(at)

    def close(self):
        self.closed = True


def test_tensorboard_opens_another_file_after_a_failure(tmp_path, started, step):
    writers = [Writer(fails=True), Writer(fails=False)]
    made, heard = iter(writers), Heard()
    emit = Emitter([TensorBoardLog(tmp_path, lambda folder, purge_step: next(made)), heard])
    for event in (started(tmp_path), step(1), step(2), step(3), ended()):
        emit(event)
    assert writers[0].closed and writers[1].closed
    assert set(writers[1].steps) == {2, 3} and len(heard.warnings()) == 1


def test_a_missing_tensorboard_is_said_once_and_not_asked_again(tmp_path, started, step):
    asked, heard = [], Heard()

    def missing(folder, purge_step):
        asked.append(1)
        raise MissingLibraryError("tensorboard", "The TensorBoard log of Train LoRA")

    emit = Emitter([TensorBoardLog(tmp_path, missing), heard])
    for event in (started(tmp_path), step(1), ended()):
        emit(event)
    assert len(asked) == 1 and "pip install tensorboard" in heard.warnings()[0]


def test_on_a_disk_with_nothing_free_the_end_is_still_written_down(tmp_path, disk, started, step):
    """Somebody else has filled it: there is only what the run had set aside."""
    emit = Emitter([Reserve(tmp_path), JsonlLog(tmp_path), RunJson(tmp_path)])
    emit(started(tmp_path))
    (aside,) = tmp_path.glob(".reserve.*.part")
    assert aside.stat().st_size == 1 << 18 and is_left_over(aside)
    disk.refuses = lambda name: aside.exists()
    emit(step(1))
    emit(ended(at=1, reason="stopped: disk full"))
    assert read_run(tmp_path)["status"] == "stopped: disk full"
    assert [entry["event"] for entry in read_records(tmp_path) if entry["event"] != "message"] == ["started", "step", "ended"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.jsonl", "run.json"]


def test_what_was_held_until_the_first_step_is_told_whatever_fails_of_it(tmp_path, started, step):
    panel, heard = Failing(RuntimeError("a"), RuntimeError("b")), Heard()
    emit = Emitter([FromFirstStep(panel), heard])
    for event in (started(tmp_path), step(1)):
        emit(event)
    assert [type(event).__name__ for event in panel.told] == ["Message"]
    assert heard.warnings()[0].startswith("the panel failed: RuntimeError: a")
    emit(step(2))
    assert panel.told[-1].step == 2
