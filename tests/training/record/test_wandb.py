"""The W&B log, with a library that remembers, waits or fails; once with the real one, where it is installed."""

import threading
import time

import pytest
import torch

from pack.training.errors import MissingLibraryError
from pack.training.events import Emitter, Message, PreviewReady, RunEnded, Validated
from pack.training.record import wandb as room
from pack.training.record.wandb import WandbLog


class Remembering:
    """Of W&B's library what the log uses; `holds` keeps it from answering, `fails` is raised by log()."""

    def __init__(self, key="k", holds=None, fails=None):
        self.inits, self.records, self.metrics, self.finished = [], [], [], False
        self._key, self._holds, self._fails = key, holds, fails

    def login(self, prompt=True):
        assert not prompt
        return self._key is not None

    def Settings(self, **settings):
        return settings

    def Image(self, pixels, caption):
        return pixels.shape, caption

    def init(self, **options):
        if self._holds:
            self._holds.wait(30)
        self.inits.append(options)
        return self

    def define_metric(self, name, step_metric):
        self.metrics.append((name, step_metric))

    def log(self, record):
        if self._fails:
            raise self._fails
        self.records.append(record)

    def finish(self):
        self.finished = True


def ended():
    return RunEnded(reason="finished", step=5, total_steps=5, lora_path=None, seconds=1.0)


def test_what_is_sent(tmp_path, started, step):
    library = Remembering()
    log = WandbLog(tmp_path, "online", lambda: library)
    log(step(1))
    for event in (
        started(tmp_path, start_step=4, seed=7),
        step(5, loss=0.5),
        Validated(step=5, loss=0.4, relative=0.9, bands={}, is_best=False),
        PreviewReady(step=5, images=torch.rand(1, 8, 8, 3), prompts=("a",), seeds=(1,)),
        ended(),
    ):
        log(event)
    (options,) = library.inits
    assert (options["group"], options["config"], options["mode"], options["dir"]) == (tmp_path.name, {"seed": 7}, "online", str(tmp_path))
    assert library.metrics == [("*", "step")] and library.finished
    first, second, third = library.records
    assert first == {
        "loss/train": 0.5,
        "gradient_norm": 1.0,
        "speed/images_per_second": 8.0,
        "learning_rate/diffusion_model": 1e-4,
        "step": 5,
    }
    assert second == {"loss/validation": 0.4, "loss/relative_to_base": 0.9, "step": 5}
    assert third == {"step": 5, "samples": [((8, 8, 3), "a")]}


class Hearing:
    name, critical = "hearing", False

    def __init__(self):
        self.texts = []

    def __call__(self, event):
        self.texts += [event.text] if isinstance(event, Message) else []


def told(log, *events) -> list[str]:
    heard = Hearing()
    emit = Emitter([log, heard])
    for event in events:
        emit(event)
    return heard.texts


def test_a_network_that_never_answers_holds_nothing_up(tmp_path, started, step):
    holds = threading.Event()
    before = time.monotonic()
    said = told(
        WandbLog(tmp_path, "online", lambda: Remembering(holds=holds), patience=0.1),
        started(tmp_path),
        *(step(number) for number in range(1, room.MOST + 10)),
        ended(),
    )
    assert time.monotonic() - before < 10
    holds.set()
    assert [text.partition(".")[0] for text in said] == [
        f"the W&B log failed: {room.MOST} records wait to be sent and W&B takes none; the rest is left out"
    ]


def test_what_it_raises_is_said_once_and_the_run_goes_on(tmp_path, started, step):
    said = told(WandbLog(tmp_path, "online", lambda: Remembering(fails=ValueError("no such project"))), started(tmp_path), step(1), ended())
    assert said == ["the W&B log failed: ValueError: no such project. Training goes on, and the next one is tried again."]


def test_no_key_is_told_with_what_to_do(tmp_path, started):
    (said,) = told(WandbLog(tmp_path, "online", lambda: Remembering(key=None)), started(tmp_path), ended())
    assert "wandb login" in said and "offline" in said


def test_a_library_that_is_not_there_is_named(tmp_path, started, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "wandb", None)
    with pytest.raises(MissingLibraryError, match="pip install wandb"):
        WandbLog(tmp_path, "offline")(started(tmp_path))


def test_the_real_one_leaves_a_folder(tmp_path, started, step):
    pytest.importorskip("wandb")
    log = WandbLog(tmp_path, "offline")
    for event in (started(tmp_path), step(1), ended()):
        log(event)
    assert list((tmp_path / "wandb").glob("offline-run-*/*.wandb"))
