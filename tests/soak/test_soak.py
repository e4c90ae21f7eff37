"""The soak finds what it is there to find."""

import os
import signal
from collections import Counter

import pytest

from pack.tests.soak import controls
from pack.tests.soak.campaign import soak
from pack.tests.soak.children import in_child
from pack.tests.soak.tally import Lost, Raw
from pack.training.errors import StateError
from pack.training.run import carry_out

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing can be forked here")


def test_a_campaign_counts_and_says_what_went_wrong():
    def fine(draw, folder, wholes):
        return Counter({"went well": 2})

    def bad(draw, folder, wholes):
        raise Lost("a file")

    tally = soak({"fine": fine, "bad": bad}, 0.0, 7)
    assert tally.lines() == [
        "bad             1 tried    1 lost    0 raw   ",
        "fine            1 tried    0 lost    0 raw   2 went well",
        "lost: --only bad --seed 7: a file",
    ]


def test_a_child_answers_fails_or_is_killed(tmp_path):
    def ours():
        raise StateError("no")

    def raw():
        raise ValueError("no")

    assert in_child(lambda: "yes", tmp_path / "answer").text == "yes"
    assert in_child(ours, tmp_path / "answer").require_ours().kind == "failed"
    with pytest.raises(Raw, match="ValueError"):
        in_child(raw, tmp_path / "answer").require_ours()
    with pytest.raises(Raw, match="without a word"):
        in_child(lambda: os.kill(os.getpid(), signal.SIGKILL), tmp_path / "answer")


def test_a_run_that_goes_on_elsewhere_is_a_loss(monkeypatch):
    """A state that forgets one step of the optimizer."""
    load = carry_out.load_state

    def forgetful(path, trainer):
        load(path, trainer)
        trainer.updater.optimizer.state.clear()

    monkeypatch.setattr(carry_out, "load_state", forgetful)
    assert "the final file is another one" in soak({"controls": controls.attempt}, 0.0, 1).bad[0]
