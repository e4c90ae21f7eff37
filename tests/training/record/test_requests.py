"""Wishes of other processes: none is lost, none is done twice or for another run, and no file of whatever content breaks anything."""

import json
import os
import threading
import time

import pytest

from pack.training.record.requests import REQUESTS_FOLDER, Inbox, put_request
from pack.training.record.taken import new_folder


def inbox(folder, token="me"):
    """One that looks whenever it is asked."""
    return Inbox(folder, token, clock=iter(range(0, 10**6, 10)).__next__)


def files(folder):
    return sorted(os.listdir(folder / REQUESTS_FOLDER))


def test_what_was_asked_for_is_taken_in_order_and_once(tmp_path):
    taking = inbox(tmp_path)
    assert taking.take() == []
    for action, value in (("save", None), ("learning_rate", 0.5), ("pause", None)):
        put_request(tmp_path, "me", action, value)
    assert [tuple(asked.values()) for asked in taking.take()] == [("save", None), ("learning_rate", 0.5), ("pause", None)]
    assert files(tmp_path) == [] and taking.take() == []


def test_what_was_asked_of_a_run_that_has_ended_is_removed_and_not_done(tmp_path):
    put_request(tmp_path, "before", "stop")
    put_request(tmp_path, "me", "save")
    assert inbox(tmp_path).take() == [{"action": "save", "value": None}]
    assert files(tmp_path) == []


def test_two_panels_at_once_lose_nothing(tmp_path):
    """While the process that trains takes what there is."""
    taking, taken = inbox(tmp_path), []
    panels = [threading.Thread(target=lambda who=who: [put_request(tmp_path, "me", f"{who}-{n}") for n in range(50)]) for who in "ab"]
    for panel in panels:
        panel.start()
    until = time.monotonic() + 30
    while len(taken) < 100 and time.monotonic() < until:
        taken += taking.take()
    for panel in panels:
        panel.join()
    assert sorted(asked["action"] for asked in taken) == sorted(f"{who}-{n}" for who in "ab" for n in range(50))


def test_it_looks_once_a_second(tmp_path):
    times = iter([0.0, 0.0, 0.5, 1.5, 1.5])
    taking = Inbox(tmp_path, "me", clock=times.__next__)
    assert taking.take() == []
    put_request(tmp_path, "me", "save")
    assert taking.take() == []
    assert taking.take() == [{"action": "save", "value": None}]


LONG = b'{"to": "me", "action": "stop", "x": "' + b"x" * 5000 + b'"}'


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"null", b"7", b"[" * 4000, LONG], ids=lambda content: content[:9])
def test_content_that_is_none(tmp_path, content):
    put_request(tmp_path, "me", "save")
    (tmp_path / REQUESTS_FOLDER / "0.json").write_bytes(content)
    assert inbox(tmp_path).take() == [{}, {"action": "save", "value": None}]
    assert files(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in the file system here")
def test_files_that_are_none(tmp_path):
    outside = tmp_path / "outside.json"
    outside.write_text(json.dumps({"to": "me", "action": "stop"}))
    folder = tmp_path / "run"
    put_request(folder, "me", "save")
    place = folder / REQUESTS_FOLDER
    os.mkfifo(place / "0.json")
    (place / "1.json").symlink_to(outside)
    (place / "2.json").symlink_to("2.json")
    (place / "3.json" / "inside").mkdir(parents=True)
    (place / "half.part").touch()
    taking = inbox(folder)
    assert sorted(taking.take(), key=len) == [{}, {}, {}, {}, {"action": "save", "value": None}]
    assert outside.is_file() and files(folder) == ["3.json", "half.part"]
    assert taking.take() == []  # what cannot be removed is told of once


def test_a_folder_of_requests_that_leads_out_is_none(tmp_path):
    outside, run = tmp_path / "outside", tmp_path / "run"
    outside.mkdir()
    run.mkdir()
    (outside / "x.json").write_text(json.dumps({"to": "me", "action": "stop"}))
    (run / REQUESTS_FOLDER).symlink_to(outside)
    assert inbox(run).take() == []
    with pytest.raises(ValueError, match="leads out"):
        put_request(run, "me", "save")
    assert [path.name for path in outside.iterdir()] == ["x.json"]


def test_a_wish_alone_keeps_no_folder_of_a_run_without_a_step(tmp_path):
    with new_folder(tmp_path, "oops") as folder:
        put_request(folder, "me", "stop")
    assert list(tmp_path.iterdir()) == []
