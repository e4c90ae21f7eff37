"""Processes hear one another's notes, and of one that has left, died or fallen silent."""

import subprocess
import sys
import threading
import time
from dataclasses import asdict

import pytest
from torch.distributed import HashStore

from pack.training.errors import ProcessesError
from pack.training.events import Message, Progress, RunEnded, StepDone
from pack.training.files.lock import here
from pack.training.processes import board as boards
from pack.training.processes.board import Board
from pack.training.processes.joined import Joined
from pack.training.processes.voices import Voices


@pytest.fixture
def both():
    store = HashStore()
    return [Board(lambda: store, rank, 2) for rank in range(2)]


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(boards, "BEAT", 0.05)
    monkeypatch.setattr(boards, "_LOOK", 0.05)


def together(*works):
    """What each of the works, side by side, has given or raised."""
    found = [None] * len(works)

    def carry(place, work):
        try:
            found[place] = work()
        except ProcessesError as error:
            found[place] = str(error)

    threads = [threading.Thread(target=carry, args=each) for each in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return found


def test_everybody_reads_every_note_also_the_slowest(both):
    def many(board, pause):
        found = []
        for number in range(20):
            time.sleep(pause * (number % 3))
            found.append(board.gathered(f"step {number}", [board.rank, number]))
        return found

    assert together(lambda: many(both[0], 0), lambda: many(both[1], 0.004)) == [[[[0, i], [1, i]] for i in range(20)]] * 2


def test_one_that_leaves_is_named_with_its_word_and_its_notes_still_count(both):
    def first():
        assert both[0].gathered("a", 1) == [1, 2]
        return both[0].gathered("b", 1)

    def second():
        both[1].gathered("a", 2)
        both[1].leave("has ended: Train LoRA: memory ran out.")
        both[1].leave("has ended")

    said = together(first, second)[0]
    assert said.startswith("process 1 of this run has ended: Train LoRA: memory ran out. What was learned so far is saved")


def test_processes_at_different_places_do_not_go_on(both):
    for said, other in zip(together(lambda: both[0].gathered("step 3", 0), lambda: both[1].gathered("latents", 0)), (1, 0), strict=True):
        assert "have come apart" in said and f"process {other} at" in said


def test_a_cancel_is_heard_while_the_others_are_waited_for(both):
    def cancel():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        both[0].gathered("a", 1, cancel)


def test_one_that_was_killed_is_noticed_at_once(both):
    with subprocess.Popen([sys.executable, "-c", "pass"]) as process:
        who = {**asdict(here()), "pid": process.pid}
    both[1]._own["who"] = who
    both[1].say("alive")
    with pytest.raises(ProcessesError, match=f"process 1 of this run has died .process {who['pid']} on "):
        both[0].gathered("a", 1)


def test_the_same_number_on_another_machine_is_another_process(both, quick):
    both[1]._own |= {"who": {**asdict(here()), "pid": 2**31 - 2}, "boot": "another"}
    with pytest.raises(ProcessesError, match="has not come"):
        both[0].gathered("a", 1, patience=1.0)


def test_one_that_falls_silent_counts_as_gone(quick, monkeypatch):
    store = HashStore()
    mute = threading.Event()

    class Stopping(Board):
        def _send(self, at):
            if mute.wait(0):
                threading.Event().wait(20)
            super()._send(at)

    first, second = Board(lambda: store, 0, 2), Stopping(lambda: store, 1, 2)
    assert together(lambda: first.gathered("a", 1), lambda: second.gathered("a", 2)) == [[1, 2], [1, 2]]
    mute.set()
    monkeypatch.setattr(boards, "SILENCE", 0.5)
    with pytest.raises(ProcessesError, match="has not been heard of for"):
        first.gathered("b", 1)


def test_a_store_that_does_not_answer_is_not_waited_for(quick, monkeypatch):
    monkeypatch.setattr(boards, "SILENCE", 0.3)
    alone = Board(lambda: threading.Event().wait(20), 1, 2)
    with pytest.raises(ProcessesError, match="main process cannot be reached .it does not answer"):
        alone.gathered("a", 1)
    started = time.monotonic()
    alone.wait_until_left(0, 20)  # who cannot hear of its end waits for none
    assert time.monotonic() - started < 10


def test_two_jobs_do_not_meet(both):
    together(lambda: both[0].gathered("a", 1), lambda: both[1].gathered("a", 2))
    store = both[0]._reach()
    with pytest.raises(ProcessesError, match="another job uses this address and port"):
        Board(lambda: store, 1, 2).gathered("a", 1)


def test_warnings_of_all_reach_the_main_one_once(both):
    heard = []

    class Listener:
        name, critical = "the test", True
        __call__ = staticmethod(heard.append)

    first, second = (Joined(board.rank, 2, board) for board in both)
    main, other = Voices([Listener()], first), Voices([], second)
    common = Message(level="warning", topic="settings", text="a small picture")
    other(common)
    other(Message(level="info", topic="length", text="nobody needs it twice"))
    other(Message(level="warning", topic="memory", text="memory ran out", step=2))
    together(lambda: first.gathered("a", 1), lambda: second.gathered("a", 2))
    main(Progress(phase="latents", done=0, total=1))
    main(common)
    main(step := StepDone(step=1, total_steps=2, epoch=1, loss=0, learning_rates={}, grad_norm=0, items=1, seconds=0))
    main(ended := RunEnded(reason="finished", step=2, total_steps=2, lora_path=None, seconds=1))
    assert heard[1:] == [common, Message(level="warning", topic="memory", text="process 1: memory ran out", step=2), step, ended]
