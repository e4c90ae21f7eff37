"""The soak finds what it is there to find."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from pack.tests.soak.campaign import soak
from pack.tests.soak.children import in_child
from pack.tests.soak.tally import Lost, Raw
from pack.training.errors import StateError

FORGETS = """
import sys
sys.path.insert(0, sys.argv[1])
import conftest
from pack.tests.soak import controls
from pack.tests.soak.campaign import soak
from pack.training.run import carry_out

load = carry_out.load_state

def forgetful(path, trainer):
    load(path, trainer)
    trainer.updater.optimizer.state.clear()

carry_out.load_state = forgetful
print(soak({"controls": controls.attempt}, 0.0, 1).bad[0])
"""

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


def test_a_run_that_goes_on_elsewhere_is_a_loss(tmp_path):
    """A state that forgets one step of the optimizer. In a fresh process: autograd's threads, which other tests start, outlive no fork."""
    script = tmp_path / "forgets.py"
    script.write_text(FORGETS)
    tests = Path(__file__).resolve().parents[1]
    said = subprocess.run([sys.executable, script, tests], capture_output=True, text=True, timeout=300)
    assert "the final file is another one" in said.stdout, said.stdout + said.stderr
