"""Wishes: which there are, and those that other processes bring."""

import pytest

from pack.tests.training.run.fakes import Bench
from pack.training.events import Message, Saved
from pack.training.record.requests import Inbox, put_request
from pack.training.run.control import PREVIEW, SAVE, Control, perform
from pack.training.specs import RunSpec


@pytest.mark.parametrize(("asked", "left"), [
    ({"action": "stop"}, ("stopped", False, False, 1.0)), ({"action": "pause"}, ("paused", False, False, 1.0)),
    ({"action": "save"}, (None, True, False, 1.0)), ({"action": "preview"}, (None, False, True, 1.0)),
    ({"action": "learning_rate", "value": 0.5}, (None, False, False, 0.5)),
])  # fmt: skip
def test_what_can_be_asked_for(asked, left):
    control = Control()
    assert perform(control, asked) == asked["action"]
    assert (control.ending(), control.take(SAVE), control.take(PREVIEW), control.learning_rate_scale) == left


def test_what_other_processes_ask_for_is_done_at_the_next_check_and_told():
    waiting = [{"action": "learning_rate", "value": 0.5}, {"action": "jump", "value": None}, {}, {"action": "pause", "value": None}]
    control, told = Control(), []
    control.listen(lambda: [waiting.pop(0)] if waiting else [], told.append)
    for _ in range(5):
        control.check()
    assert (control.learning_rate_scale, control.ending()) == (0.5, "paused")
    assert [(message.level, message.topic) for message in told] == [("info", "asked"), ("warning", "asked"), ("warning", "asked"),
                                                                    ("info", "asked")]
    assert "'learning_rate 0.5'" in told[0].text and "'jump'" in told[1].text


def test_a_cancel_comes_before_nothing_that_was_asked_for():
    control = Control(throw_if_interrupted=lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    control.listen(lambda: [{"action": "save", "value": None}], lambda message: None)
    with pytest.raises(KeyboardInterrupt):
        control.check()
    assert control.take(SAVE)


def test_a_run_takes_files_and_ends_after_the_step(tmp_path):
    """Asked for while it is at work: saved, then paused, with the files gone and both in its messages."""
    bench = Bench(folder=tmp_path / "run", run_spec=RunSpec(steps=50, gradient_checkpointing=False))
    times = iter(range(10**6))
    bench.control.listen(Inbox(bench.folder, "me", clock=lambda: float(next(times))).take, bench.recorder)

    def ask(event):
        if isinstance(event, Message) and event.topic == "length":
            put_request(bench.folder, "of a run before", "stop")
            put_request(bench.folder, "me", "save")
            put_request(bench.folder, "me", "pause")

    bench.on_event = ask
    result = bench.run()
    assert (result.reason, result.step) == ("paused", 1)
    assert [event.kind for event in bench.recorder.of(Saved)][:2] == ["state", "checkpoint"]
    assert list((bench.folder / "requests").iterdir()) == []
    assert [message.text for message in bench.recorder.of(Message) if message.topic == "asked"] == [
        "'save' was asked for by another process, in a panel.", "'pause' was asked for by another process, in a panel."]
