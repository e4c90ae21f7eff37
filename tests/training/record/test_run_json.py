"""run.json tells the state of a run at any moment, and a resumed run goes on in it."""


import pytest

from pack.training.events import RunEnded, Saved, Validated
from pack.training.record.run_json import GRAPH_NAME, RunJson, read_run


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def ended(reason="finished", at=3, **changes):
    return RunEnded(reason=reason, step=at, total_steps=100, lora_path=None, seconds=1.0, **changes)


def test_a_whole_run(tmp_path, started, step):
    clock = Clock()
    listener = RunJson(tmp_path, workflow={"nodes": []}, clock=clock)
    listener(started(tmp_path, rank=8))
    assert read_run(tmp_path)["status"] == "running"
    assert (tmp_path / GRAPH_NAME).is_file()
    for number in (1, 2, 3):
        clock.now += 1.0
        listener(step(number, peak_memory_bytes=number * 100))
    listener(Validated(step=3, loss=0.4, relative=0.8, bands={}, is_best=True))
    listener(Saved(step=3, path=tmp_path / "lora.safetensors", kind="lora"))
    listener(ended())
    run = read_run(tmp_path)
    assert (run["name"], run["status"], run["step"], run["settings"]) == (tmp_path.name, "finished", 3, {"rank": 8})
    assert (run["created"], run["updated"]) == (1000.0, 1003.0)
    assert run["lora_path"].endswith("lora.safetensors")
    assert run["summary"]["images_per_second"] == pytest.approx(8.0)
    assert run["summary"]["seconds_per_step"] == pytest.approx(0.25)
    assert run["summary"]["peak_memory"] == 300
    assert run["summary"]["best"]["step"] == 3


def test_the_loss_that_runs_are_compared_by_is_no_single_step(tmp_path, started, step):
    """The mean at first, 0.03 of each new step later; a resumed run goes on with it."""
    listener = RunJson(tmp_path)
    listener(started(tmp_path))
    for number, loss in ((1, 0.2), (2, 0.4), (3, 0.9)):
        listener(step(number, loss=loss))
    listener(ended())
    assert read_run(tmp_path)["summary"]["smoothed_loss"] == pytest.approx(0.5)
    listener = RunJson(tmp_path)
    listener(started(tmp_path, start_step=3))
    for number in range(4, 100):
        listener(step(number, loss=0.5))
    listener(step(100, loss=1.5))
    listener(ended(at=100))
    assert read_run(tmp_path)["summary"]["smoothed_loss"] == pytest.approx(0.53)


def test_steps_are_written_every_two_seconds_only(tmp_path, started, step):
    clock = Clock()
    listener = RunJson(tmp_path, clock=clock)
    listener(started(tmp_path))
    clock.now += 1.0
    listener(step(1))
    assert read_run(tmp_path)["step"] == 0
    clock.now += 1.1
    listener(step(2))
    assert read_run(tmp_path)["step"] == 2


def test_resuming_keeps_the_beginning_and_adds(tmp_path, started, step):
    clock = Clock()
    first = RunJson(tmp_path, clock=clock)
    for event in (started(tmp_path), step(1), step(2), ended("paused", 2)):
        first(event)
    clock.now = 5000.0
    second = RunJson(tmp_path, clock=clock)
    for event in (started(tmp_path, start_step=2), step(3), ended("failed", 3, error="out of memory")):
        second(event)
    run = read_run(tmp_path)
    assert (run["created"], run["updated"], run["status"], run["error"]) == (1000.0, 5000.0, "failed", "out of memory")
    assert run["summary"]["steps"] == 3


@pytest.mark.parametrize("content", ["", "{", "[]", "null"])
def test_a_damaged_file_reads_as_none(tmp_path, content):
    (tmp_path / "run.json").write_text(content)
    assert read_run(tmp_path) is None


def test_no_temporary_files_stay(tmp_path, started):
    RunJson(tmp_path)(started(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]
