"""The panel's buttons pressed at random steps, Cancel too: the run goes on to the file that it would have written undisturbed."""

from __future__ import annotations

import random
from collections import Counter
from functools import partial
from pathlib import Path

from pack.tests.training.run.test_resume import STEPS
from pack.training.run.control import Control

from .children import in_child
from .runs import AtStep, Ground, Wholes
from .tally import Lost

ENDS = {"pause": "paused", "stop": "stopped", "cancel": "cancelled"}


def attempt(draw: random.Random, folder: Path, wholes: Wholes) -> Counter[str]:
    ground = Ground.drawn(folder / "ground", draw)
    whole = wholes.of(ground)
    came: Counter[str] = Counter()
    step = 0
    for _ in range(draw.randint(1, 3)):
        step += draw.randint(1, STEPS // 4)
        end = draw.choice(list(ENDS))
        beside = [(draw.choice(("save", "preview")), draw.randint(1, step)) for _ in range(draw.randint(0, 3))]
        ending = in_child(partial(pressed, ground, end, step, beside), folder / "answer.json").require_ours()
        if ending.text != ENDS[end]:
            raise Lost(f"{end} at step {step} ended as {ending.text!r}")
        came.update([end, *(name for name, _ in beside)])
    ground.go_on()
    ground.require_whole(whole)
    return came


def pressed(ground: Ground, end: str, step: int, beside: list[tuple[str, int]]) -> str:
    """In a child: train until `step`, with other buttons pressed on the way. How it ended."""
    cancelled: list[bool] = []

    def throw() -> None:
        if cancelled:
            raise KeyboardInterrupt

    bench = ground.bench()
    bench.control = control = Control(throw)
    press = {"pause": control.request_pause, "stop": control.request_stop, "cancel": lambda: cancelled.append(True),
             "save": control.request_save, "preview": control.request_preview}
    ground.listeners = [AtStep(when, press[name]) for name, when in [*beside, (end, step)]]
    try:
        return ground.train(bench)
    except KeyboardInterrupt:
        return "cancelled"
