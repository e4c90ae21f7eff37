"""A log that another process writes, read on as it grows."""

import json

import pytest

from pack.training.events import RunStarted, StepDone
from pack.training.record import follow
from pack.training.record.follow import Following
from pack.training.record.log import LOG_NAME, JsonlLog


def step(number, loss=0.5):
    return StepDone(step=number, total_steps=9, epoch=0.0, loss=loss, learning_rates={"diffusion_model": 1e-4}, grad_norm=1.0, items=1,
                    seconds=0.1)


def write(folder, start, *steps):
    log = JsonlLog(folder)
    log(RunStarted(run_name="r", folder=folder, start_step=start, total_steps=9, steps_per_epoch=3.0))
    for number in steps:
        log(step(number))
    return log


def told(records):
    return records and [record.get("step", record["event"]) for record in records]


def test_a_log_from_its_first_line_on(tmp_path):
    following = Following(tmp_path)
    assert following.added() == []
    log = write(tmp_path, 0, 1, 2)
    assert told(following.added()) == ["started", 1, 2]
    assert following.added() == []
    log(step(3))
    assert told(following.added()) == [3]


def test_what_was_there_before_is_not_told(tmp_path):
    log = write(tmp_path, 0, 1, 2)
    following = Following(tmp_path)
    log(step(3))
    assert told(following.added()) == [3]


def test_half_a_line_is_read_when_it_is_whole(tmp_path):
    write(tmp_path, 0, 1)
    following, path = Following(tmp_path), tmp_path / LOG_NAME
    line = path.read_bytes().splitlines(keepends=True)[-1].replace(b'"step":1', b'"step":2')
    with path.open("ab", buffering=0) as file:
        file.write(line[:20])
        assert following.added() == []
        file.write(line[20:] + b"no record\n")
        assert told(following.added()) == [2]


@pytest.mark.parametrize("after", [[2], [2, 3, 4, 5, 6]], ids=["shorter than before", "longer"])
def test_a_run_that_goes_on_from_an_earlier_step_is_read_anew(tmp_path, after):
    write(tmp_path, 0, 1, 2, 3, 4)
    following = Following(tmp_path)
    log = write(tmp_path, 1, *after)
    assert following.added() is None
    log(step(7))
    assert told(following.added()) == [7]


def test_a_log_that_goes_away_is_read_anew(tmp_path):
    write(tmp_path, 0, 1)
    following = Following(tmp_path)
    (tmp_path / LOG_NAME).unlink()
    assert following.added() is None and following.added() == []
    write(tmp_path, 0, 1)
    assert told(following.added()) == ["started", 1]


def test_a_link_that_leads_out_is_not_followed(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "secret").write_text(json.dumps({"event": "message", "text": "secret"}) + "\n")
    following = Following(tmp_path / "run")
    (tmp_path / "run" / LOG_NAME).symlink_to(tmp_path / "secret")
    assert following.added() == []


def test_much_comes_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(follow, "_AT_ONCE", 1000)
    following = Following(tmp_path)
    write(tmp_path, 0, *range(1, 10))
    found = []
    while part := following.added():
        found += told(part)
    assert found == ["started", *range(1, 10)]
