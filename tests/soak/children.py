"""A piece of work in a process of its own, forked from this one, so that it may be killed at any moment and costs no imports."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from pack.training.errors import TrainingError

from .tally import Raw

PATIENCE = 120.0
"""Seconds after which a child counts as hung."""


@dataclass(frozen=True)
class Ending:
    """'killed', 'done' (`text` is what the work returned) or 'failed' (`text` is the error's; `ours` whether it was the pack's)."""

    kind: str
    text: str = ""
    ours: bool = True

    def require_ours(self) -> Ending:
        if self.kind == "failed" and not self.ours:
            raise Raw(self.text)
        return self


def in_child(work: Callable[[], str], answer: Path, kill_after: float | None = None) -> Ending:
    """Run `work` in a fork; `answer` is a file to pass its result in; kill -9 it after `kill_after` seconds. Raises Raw when it hangs."""
    answer.unlink(missing_ok=True)
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        _work(work, answer)
    due = time.monotonic() + (PATIENCE if kill_after is None else kill_after)
    while not os.waitpid(child, os.WNOHANG)[0]:
        if time.monotonic() >= due:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            if kill_after is None:
                raise Raw(f"nothing came within {PATIENCE:.0f} s")
            return Ending("killed")
        time.sleep(0.001)
    if not answer.is_file():
        raise Raw("the process died without a word")
    return Ending(**json.loads(answer.read_text()))


def _work(work: Callable[[], str], answer: Path) -> None:
    """In the child; never returns. It has none of its parent's threads, so it may not ask for their help."""
    torch.set_num_threads(1)
    try:
        ending = {"kind": "done", "text": work()}
    except BaseException as caught:  # noqa: BLE001  whatever it is, the parent hears of it
        text = f"{type(caught).__name__}: {caught}\n" + "".join(traceback.format_exc(limit=-4))
        ending = {"kind": "failed", "text": text, "ours": isinstance(caught, TrainingError)}
    answer.write_text(json.dumps(ending))
    os._exit(0)
