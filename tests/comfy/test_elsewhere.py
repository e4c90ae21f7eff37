"""Runs that another process trains into the same folder: shown, followed, steered by files."""

import json
import os
import threading

import psutil
import pytest

from pack.training.events import RunEnded, RunStarted, StepDone
from pack.training.files import lock
from pack.training.files.lock import locked
from pack.training.record.log import JsonlLog
from pack.training.record.requests import REQUESTS_FOLDER, Inbox
from pack.training.record.taken import LOCK_NAME

from .test_routes import ask, root  # noqa: F401  fixtures

CONTROL = "/lora_canvas/runs/fox/control"


@pytest.fixture
def elsewhere(comfy):
    return comfy.module("pack.host.runs.elsewhere")


@pytest.fixture
def runs(elsewhere, root):  # noqa: F811
    """A registry whose clock stands until it is moved."""
    made = elsewhere.RunsElsewhere(lambda: root, clock=lambda: made.now)
    made.now = 0.0
    return made


def trained_elsewhere(folder, token="theirs", **changed):
    """As if the process that started this one trained it."""
    parent = psutil.Process(os.getppid())
    folder.mkdir(parents=True, exist_ok=True)
    about = {**vars(lock.here()), "pid": parent.pid, "started": parent.create_time(), "token": token, **changed}
    (folder / LOCK_NAME).write_text(json.dumps(about))
    return f"process {about['pid']} on '{about['host']}'"


def log_of(folder):
    log = JsonlLog(folder)
    log(RunStarted(run_name=folder.name, folder=folder, start_step=0, total_steps=9, steps_per_epoch=3.0))
    return log


def step(number):
    return StepDone(step=number, total_steps=9, epoch=0.0, loss=0.5, learning_rates={"diffusion_model": 1e-4}, grad_norm=1.0, items=1,
                    seconds=0.1)


def told(messages):
    return [(message["run"], [record["event"] for record in message["records"]]) for message in messages]


def test_a_run_appears_is_followed_and_goes(runs, root):  # noqa: F811
    assert runs.look() == []
    who = trained_elsewhere(root / "fox")
    [message] = runs.look()
    assert message == {"run": "fox", "node": "", "records": [{"event": "elsewhere", "by": who}], "elsewhere": who}
    assert runs.snapshot() == [{"run": "fox", "node": "", "latest": {}, "elsewhere": who}]
    log = log_of(root / "fox")
    log(step(1))
    assert told(runs.look()) == [("fox", ["started", "step"])]
    assert runs.look() == []
    log(RunEnded(reason="finished", step=9, total_steps=9, lora_path=None, seconds=1.0))
    (root / "fox" / LOCK_NAME).unlink()
    assert told(runs.look()) == [("fox", ["ended"])]
    assert runs.look() == [] and runs.snapshot() == []


def test_one_that_is_killed_does_not_look_live(runs, root, ask):  # noqa: F811
    """Nobody has told its end: its process is gone, or, on another machine, has not touched its lock for two minutes."""
    trained_elsewhere(root / "fox")
    trained_elsewhere(root / "far", machine="another", pid=1)
    assert told(runs.look()) == [("far", ["elsewhere"]), ("fox", ["elsewhere"])] or len(runs.snapshot()) == 2
    trained_elsewhere(root / "fox", pid=2**31 - 2)
    os.utime(root / "far" / LOCK_NAME, (1, 1))
    assert sorted(told(runs.look())) == [("far", ["gone"]), ("fox", ["gone"])]
    log_of(root / "fox")
    (root / "fox" / "run.json").write_text('{"status": "running"}')
    assert ask("GET", "/lora_canvas/runs/fox").json["status"] == "interrupted"


def test_our_own_runs_are_none(runs, root):  # noqa: F811
    (root / "fox").mkdir(parents=True)
    with locked(root / "fox" / LOCK_NAME):
        assert runs.look() == []


def test_a_run_that_goes_on_in_another_process_is_told_anew(runs, root):  # noqa: F811
    trained_elsewhere(root / "fox")
    log = log_of(root / "fox")
    for number in range(1, 5):
        log(step(number))
    runs.look()
    trained_elsewhere(root / "fox", token="of another one")
    assert told(runs.look()) == [("fox", ["elsewhere"])]
    again = JsonlLog(root / "fox")
    again(RunStarted(run_name="fox", folder=root / "fox", start_step=2, total_steps=9, steps_per_epoch=3.0))
    assert told(runs.look()) == [("fox", ["elsewhere"])]
    again(step(3))
    assert told(runs.look()) == [("fox", ["step"])]


def test_its_process_answers_by_taking_the_file(runs, root):  # noqa: F811
    trained_elsewhere(root / "fox")
    runs.look()
    assert runs.ask(root / "fox", {"action": "pause"}) == "pause"
    assert runs.look()[0]["records"] == [{"event": "asked", "action": "pause"}]
    runs.now = 59.0
    assert runs.look() == []
    assert Inbox(root / "fox", "theirs").take() == [{"action": "pause", "value": None}]
    assert told(runs.look()) == [("fox", ["answered"])]
    assert runs.snapshot()[0]["latest"] == {"asked": {"event": "asked", "action": "pause"}}


def test_without_an_answer_it_is_said_once(runs, root):  # noqa: F811
    trained_elsewhere(root / "fox")
    runs.look()
    runs.ask(root / "fox", {"action": "save"})
    runs.now = 61.0
    silence = {"event": "unanswered", "action": "save", "seconds": 60.0}
    assert runs.look()[0]["records"] == [silence] and runs.look() == []
    assert runs.snapshot()[0]["latest"] == {"unanswered": silence}
    Inbox(root / "fox", "theirs").take()
    assert told(runs.look()) == [("fox", ["answered"])]
    assert runs.snapshot()[0]["latest"] == {}


def test_what_nobody_took_is_gone_with_the_run(runs, root):  # noqa: F811
    trained_elsewhere(root / "fox")
    runs.look()
    runs.ask(root / "fox", {"action": "save"})
    (root / "fox" / LOCK_NAME).unlink()
    runs.look()
    assert list((root / "fox" / REQUESTS_FOLDER).iterdir()) == []


def test_commands_go_through_the_same_route_and_checks(ask, root):  # noqa: F811
    trained_elsewhere(root / "fox")
    inbox = Inbox(root / "fox", "theirs", clock=iter(range(0, 1000, 10)).__next__)
    assert ask("POST", CONTROL, json={"action": "learning_rate", "value": 0.5}).json == {"asked": "learning_rate"}
    assert inbox.take() == [{"action": "learning_rate", "value": 0.5}]
    for body in ({"action": "jump"}, {}, {"action": "learning_rate", "value": 101}, {"action": "learning_rate"}):
        assert ask("POST", CONTROL, json=body).status == 400
    assert ask("POST", CONTROL, json={"action": "stop"}, headers={"Origin": "http://evil.example"}).status == 403
    assert ask("POST", CONTROL, data=b'{"action": "stop"}', headers={"Content-Type": "text/plain"}).status == 415
    assert inbox.take() == []
    (root / "fox" / LOCK_NAME).unlink()
    assert ask("POST", CONTROL, json={"action": "stop"}).status == 409


def test_a_folder_that_takes_nothing_is_said(ask, root, tmp_path):  # noqa: F811
    trained_elsewhere(root / "fox")
    (root / "fox" / REQUESTS_FOLDER).write_text("in the way")
    answer = ask("POST", CONTROL, json={"action": "stop"})
    assert answer.status == 507 and str(tmp_path) not in answer.json["error"]
    (root / "fox" / REQUESTS_FOLDER).unlink()
    (root / "fox" / REQUESTS_FOLDER).symlink_to(tmp_path)
    assert ask("POST", CONTROL, json={"action": "stop"}).status == 400


def test_a_page_that_opens_knows_who_trains_it(ask, root, comfy):  # noqa: F811
    who = trained_elsewhere(root / "fox")
    assert {"run": "fox", "node": "", "latest": {}, "elsewhere": who} in ask("GET", "/lora_canvas/live").json["runs"]
    for about in (ask("GET", "/lora_canvas/runs/fox").json, ask("GET", "/lora_canvas/runs").json["runs"][0]):
        assert (about["name"], about["status"], about["live"], about["elsewhere"]) == ("fox", "preparing", False, who)
    (root / "fox" / "run.json").write_text('{"status": "running"}')  # written with its first step
    assert ask("GET", "/lora_canvas/runs/fox").json["status"] == "running"


def test_it_looks_only_while_a_page_is_open(comfy, runs, root):  # noqa: F811
    module = comfy.module("pack.host.panel.lookout")
    sent, pages, before = [], [1] * 3, threading.enumerate()
    lookout = module.Lookout(runs, sent.append, lambda: pages.pop() if pages else 0, seconds=0.001)
    trained_elsewhere(root / "fox")
    lookout.wake()
    assert told(sent) == [("fox", ["elsewhere"])]
    for thread in set(threading.enumerate()) - set(before):
        thread.join(10)
    assert pages == []
    log_of(root / "fox")
    assert len(sent) == 1  # nobody looks any more
    lookout.wake()
    assert told(sent)[1:] == [("fox", ["started"])]


def test_what_cannot_be_followed_is_said_once(comfy, caplog):
    class Broken:
        def look(self):
            raise OSError("gone")

    lookout = comfy.module("pack.host.panel.lookout").Lookout(Broken(), print)
    for _ in range(3):
        lookout.look()
    assert [record.message for record in caplog.records] == ["[LoRA Canvas] runs of other processes cannot be followed: OSError: gone"]
