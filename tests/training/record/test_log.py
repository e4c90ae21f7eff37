"""log.jsonl: whole after a kill, cut at the step a run resumes from, readable as columns."""

import json

import pytest

from pack.training.events import Message, Progress, RunEnded, Saved
from pack.training.record.history import pack_steps, read_log, read_records
from pack.training.record.log import LOG_NAME, JsonlLog, keep_until


@pytest.fixture
def write_run(started, step):
    def write(folder, steps=60, ended=True):
        log = JsonlLog(folder)
        log(started(folder))
        for number in range(1, steps + 1):
            log(step(number, loss=1 / number))
        if ended:
            log(RunEnded(reason="paused", step=steps, total_steps=100, lora_path=None, seconds=1.0))
        return log

    return write


def kinds(folder):
    return [entry["event"] for entry in read_records(folder)]


def test_early_messages_follow_the_start(tmp_path, started, step):
    log = JsonlLog(tmp_path)
    log(Message(level="warning", topic="dataset", text="a picture is broken"))
    log(Progress(phase="latents", done=1, total=2))
    assert not (tmp_path / LOG_NAME).exists()
    log(started(tmp_path))
    log(step(1))
    assert kinds(tmp_path) == ["started", "message", "step"]


def test_a_run_that_never_started_still_says_why(tmp_path):
    log = JsonlLog(tmp_path / "new")
    log(Message(level="error", topic="dataset", text="no pictures"))
    log(RunEnded(reason="failed", step=0, total_steps=10, lora_path=None, seconds=0.1, error="no pictures"))
    assert kinds(tmp_path / "new") == ["message", "ended"]


def test_every_record_is_on_disk_at_once(tmp_path, write_run):
    write_run(tmp_path, steps=3, ended=False)
    assert kinds(tmp_path) == ["started", "step", "step", "step"]


def test_resume_cuts_what_will_happen_again(tmp_path, started, step, write_run):
    write_run(tmp_path, steps=60)
    log = JsonlLog(tmp_path)
    log(started(tmp_path, start_step=40))
    log(step(41))
    records = read_records(tmp_path)
    assert [entry["step"] for entry in records if entry["event"] == "step"] == list(range(1, 42))
    assert [entry["event"] for entry in records].count("started") == 2
    assert "ended" not in kinds(tmp_path)


def test_resume_at_the_end_keeps_everything(tmp_path, started, write_run):
    write_run(tmp_path, steps=60)
    JsonlLog(tmp_path)(started(tmp_path, start_step=60))
    assert kinds(tmp_path)[-2:] == ["ended", "started"]


def test_a_new_run_starts_a_new_log(tmp_path, started, write_run):
    write_run(tmp_path)
    JsonlLog(tmp_path)(started(tmp_path))
    assert kinds(tmp_path) == ["started"]


@pytest.mark.parametrize("damage", [b'{"event":"step","st', b"\x00\x00", b'["no record"]\n', b'{"event":"step","step":61}'])
def test_a_line_that_a_kill_cut_off_is_dropped(tmp_path, damage, started, write_run):
    write_run(tmp_path, steps=60, ended=False)
    with (tmp_path / LOG_NAME).open("ab") as file:
        file.write(damage)
    assert len(read_records(tmp_path)) == 61
    JsonlLog(tmp_path)(started(tmp_path, start_step=60))
    for line in (tmp_path / LOG_NAME).read_text().splitlines():
        json.loads(line)
    assert len(read_records(tmp_path)) == 62


def test_log_for_the_panel_is_columns_then_the_last_steps_whole(tmp_path, write_run):
    log = write_run(tmp_path, steps=200, ended=False)
    log(Saved(step=200, path=tmp_path / "a.safetensors", kind="checkpoint"))
    records = read_log(tmp_path)
    assert [entry["event"] for entry in records[:3]] == ["started", "saved", "steps"]
    assert records[2]["step"] == list(range(1, 151))
    assert records[2]["seconds"] == pytest.approx(150 * 0.25)
    assert records[2]["items"] == 300
    assert [entry["step"] for entry in records[3:]] == list(range(151, 201))


def test_after_gives_only_what_is_new(tmp_path, write_run):
    write_run(tmp_path, steps=60, ended=False)
    assert [entry["step"] for entry in read_log(tmp_path, after=55)] == [56, 57, 58, 59, 60]


def test_fewer_points_are_means_and_say_so():
    steps = [{"step": n, "loss": float(n), "grad_norm": None, "lr": {"a": 0.1}, "seconds": 1.0, "items": 1}
             for n in range(1, 11)]
    packed = pack_steps(steps, points=4)
    assert packed["step"] == [3, 6, 9, 10]
    assert packed["loss"] == [2.0, 5.0, 8.0, 10.0]
    assert packed["grad_norm"] == [None] * 4
    assert packed["averaged"] == 3


def test_no_log_is_no_records(tmp_path):
    assert read_log(tmp_path) == []


def test_a_message_after_the_end_is_kept(tmp_path, write_run):
    log = write_run(tmp_path, steps=2)
    log(Message(level="info", topic="saved", text="read back: 0 unmapped keys"))
    assert kinds(tmp_path)[-2:] == ["ended", "message"]


@pytest.mark.parametrize("what", ["a resume", "the panel"])
def test_what_is_read_to_go_on_does_not_grow_with_the_run(tmp_path, write_run, monkeypatch, what):
    read = []
    monkeypatch.setattr("pack.training.record.log.parse", lambda line: read.append(line) or json.loads(line))
    monkeypatch.setattr("pack.training.record.history.parse", lambda text: read.append(text) or json.loads(text))
    counts = []
    for steps in (500, 2000):
        folder = tmp_path / str(steps)
        folder.mkdir()
        write_run(folder, steps=steps, ended=False)
        read.clear()
        if what == "a resume":
            keep_until(folder / LOG_NAME, steps - 10)
            assert len((folder / LOG_NAME).read_bytes().splitlines()) == 1 + steps - 10
        else:
            assert [entry["step"] for entry in read_log(folder, after=steps - 3)] == [steps - 2, steps - 1, steps]
        counts.append(len(read))
    assert counts[0] == counts[1] < 20
