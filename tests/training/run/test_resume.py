"""A run that was cut off goes on as if it never had been: the same file, byte for byte."""

import math
import os
import signal
import subprocess
import sys
import textwrap
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from pack.tests.training.run.fakes import Bench, pictures
from pack.training.data.dataset import Sample
from pack.training.data.specs import CaptionSpec
from pack.training.errors import DiskError, StateError
from pack.training.events import PreviewReady, Progress, RunStarted, Saved, StepDone, Validated
from pack.training.files.refusals import DISK_FULL
from pack.training.files.tensors import write_tensors
from pack.training.optim.schedules import Constant, CosineWithRestarts, Schedule
from pack.training.optim.spec import OptimizerSpec
from pack.training.run.checkpoints import Checkpoints
from pack.training.run.control import Control
from pack.training.specs import PreviewSpec, RunSpec, SamplingSpec

STEPS, CUT = 20, 11

CASES = {
    "AdamW": OptimizerSpec(learning_rate=1e-2),
    "8-bit": OptimizerSpec(optimizer="AdamW8bit", learning_rate=1e-2),
    "Prodigy": OptimizerSpec(optimizer="Prodigy", learning_rate=1.0, schedule=Schedule(Constant())),
    "schedule-free": OptimizerSpec(optimizer="ScheduleFreeAdamW", learning_rate=1e-2, schedule=Schedule(Constant())),
    "restarts": OptimizerSpec(learning_rate=1e-2, schedule=Schedule(CosineWithRestarts(cycles=3))),
    "EMA": OptimizerSpec(learning_rate=1e-2, ema_decay=0.9),
    "text encoder": OptimizerSpec(learning_rate=1e-2, text_encoder_lr=1e-3),
}


def ground(folder: Path, optimizer: OptimizerSpec, **changes) -> Bench:
    """7 pictures in batches of 2: the cut at step 11 falls in the middle of an epoch."""
    spec = RunSpec(**{"steps": STEPS, "batch_size": 2, "gradient_checkpointing": False, **changes})
    return Bench(
        folder=folder / "run", run_spec=spec, samples=pictures(7), optimizer=optimizer, cache_folder=folder / "cache",
        captions=CaptionSpec(shuffle=True, caption_dropout=0.2), train_text=optimizer.text_encoder_lr > 0,
    )


def changed(**settings) -> tuple[Sample, ...]:
    """The pictures of `ground`, the second of them with other settings."""
    first, second, *rest = pictures(7)
    return (first, replace(second, **settings), *rest)


def stop_at(bench: Bench, step: int) -> Bench:
    bench.control = Control()
    bench.on_event = lambda event: bench.control.request_pause() if isinstance(event, StepDone) and event.step == step else None
    return bench


@pytest.mark.parametrize("name", CASES)
def test_paused_and_resumed_is_the_same_file(tmp_path, name):
    whole = ground(tmp_path / "whole", CASES[name])
    whole.run()
    cut = stop_at(ground(tmp_path / "cut", CASES[name]), CUT)
    assert cut.run().reason == "paused"
    resumed = ground(tmp_path / "cut", CASES[name])
    assert resumed.run(cut.folder / "state" / "training.state").reason == "finished"
    assert resumed.recorder.of(StepDone)[0].step == CUT + 1
    assert resumed.file() == whole.file()


def test_disk_caches_serve_the_resumed_run(tmp_path):
    cut = stop_at(ground(tmp_path, CASES["AdamW"]), CUT)
    cut.run()
    resumed = ground(tmp_path, CASES["AdamW"])
    resumed.run(cut.folder / "state" / "training.state")
    assert cut.image_encoder.encoded == 7
    assert resumed.image_encoder.encoded == 0


def test_keep_last_and_best_go_on_counting(tmp_path):
    spec = {"save_every_n_steps": 2, "keep_last": 2, "validate_every_n_steps": 5}
    whole = ground(tmp_path / "whole", CASES["AdamW"], **spec)
    whole.run()
    cut = stop_at(ground(tmp_path / "cut", CASES["AdamW"], **spec), CUT)
    cut.run()
    resumed = ground(tmp_path / "cut", CASES["AdamW"], **spec)
    resumed.run(cut.folder / "state" / "training.state")
    names = sorted(path.name for path in (resumed.folder / "checkpoints").iterdir())
    assert names == sorted(path.name for path in (whole.folder / "checkpoints").iterdir())
    looks = [[e.is_best for e in b.recorder.of(Validated)] for b in (whole, cut, resumed)]
    assert looks[0] == looks[1] + looks[2]


def test_what_was_done_at_the_step_of_the_state_is_not_done_again(tmp_path):
    """Checkpoint, preview and validation of step 10 are there already; keep_last 1 once deleted the only checkpoint here."""
    spec = {"save_every_n_steps": 5, "keep_last": 1, "validate_every_n_steps": 5}
    preview = PreviewSpec(sampling=SamplingSpec(prompts=("a",), width=64, height=64), every_n_steps=5)
    cut = stop_at(ground(tmp_path, CASES["AdamW"], **spec), 10)
    cut.preview = preview
    cut.run()
    resumed = ground(tmp_path, CASES["AdamW"], **spec)
    resumed.preview = preview
    resumed.run(cut.folder / "state" / "training.state")
    done = {kind: [event.step for event in resumed.recorder.of(kind)] for kind in (PreviewReady, Validated, Saved)}
    assert done[PreviewReady] == done[Validated] == [15, 20]
    assert 10 not in done[Saved]
    assert [path.name for path in (cut.folder / "checkpoints").glob("run-0*")] == ["run-000020.safetensors"]


def test_saving_again_at_the_step_of_the_state_keeps_the_file(tmp_path):
    spec = {"save_every_n_steps": 5, "keep_last": 1}
    cut = stop_at(ground(tmp_path, CASES["AdamW"], **spec), 10)
    cut.run()
    resumed = stop_at(ground(tmp_path, CASES["AdamW"], **spec), 11)
    pause = resumed.on_event
    resumed.on_event = lambda event: resumed.control.request_save() if isinstance(event, RunStarted) else pause(event)
    resumed.run(cut.folder / "state" / "training.state")
    assert [event.step for event in resumed.recorder.of(Saved) if event.kind == "checkpoint"] == [10]
    assert [path.name for path in (cut.folder / "checkpoints").iterdir()] == ["run-000010.safetensors"]


@pytest.mark.parametrize(("phase", "kind"), [("preview", PreviewReady), ("validation", Validated)])
def test_what_a_cancel_cut_short_is_done_when_the_run_goes_on(tmp_path, phase, kind):
    preview = PreviewSpec(sampling=SamplingSpec(prompts=("a", "b"), width=64, height=64), every_n_steps=5)
    cut = ground(tmp_path, CASES["AdamW"], validate_every_n_steps=5)
    steps, pressed = cut.recorder, threading.Event()

    def press(event):
        if isinstance(event, Progress) and event.phase == phase and len(steps.of(StepDone)) == 10:
            pressed.set()

    def throw():
        if pressed.is_set():
            raise KeyboardInterrupt

    cut.on_event, cut.control, cut.preview = press, Control(throw), preview
    with pytest.raises(KeyboardInterrupt):
        cut.run()
    assert cut.recorder.of(kind)[-1].step == 5
    resumed = ground(tmp_path, CASES["AdamW"], validate_every_n_steps=5)
    resumed.preview = preview
    resumed.run(cut.folder / "state" / "training.state")
    assert [event.step for event in resumed.recorder.of(kind)] == [10, 15, 20]


def test_the_best_that_a_full_disk_refused_is_kept_when_the_run_goes_on(tmp_path, monkeypatch):
    def refuse(*_):
        raise DiskError("no space", DISK_FULL)

    cut = ground(tmp_path, CASES["AdamW"], validate_every_n_steps=5)
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save_best", refuse)
        assert cut.run().reason == "stopped: disk full"
    resumed = ground(tmp_path, CASES["AdamW"], validate_every_n_steps=5)
    resumed.run(cut.folder / "state" / "training.state")
    assert [event.step for event in resumed.recorder.of(Saved) if event.kind == "best"][0] == cut.recorder.of(Validated)[0].step == 5


@pytest.mark.parametrize("keep_last", [1, 2])
def test_checkpoints_that_are_gone_are_not_counted_as_kept(tmp_path, keep_last):
    """A person may have moved them away."""
    spec = {"save_every_n_steps": 5, "keep_last": keep_last}
    stop_at(ground(tmp_path, CASES["AdamW"], **spec), 10).run()
    resumed = ground(tmp_path, CASES["AdamW"], **spec)
    for path in (resumed.folder / "checkpoints").iterdir():
        path.unlink()
    resumed.run(resumed.folder / "state" / "training.state")
    assert [event.step for event in resumed.recorder.of(Saved) if event.kind == "checkpoint"] == [10, 15, 20]
    assert sorted(path.name for path in (resumed.folder / "checkpoints").iterdir()) == [
        f"run-{step:06d}.safetensors" for step in (10, 15, 20)[-keep_last:]]


def test_a_run_that_has_all_of_its_steps_is_left_as_it_is(tmp_path):
    """Its LoRA says the rate that it was learned with. What is not there, or of an earlier step, is written."""
    cut = stop_at(ground(tmp_path, CASES["AdamW"]), CUT)
    cut.run()
    earlier = cut.file()
    state = cut.folder / "state" / "training.state"
    ground(tmp_path, CASES["AdamW"]).run(state)
    finished, saved = cut.file(), state.read_bytes()
    again = ground(tmp_path, replace(CASES["AdamW"], learning_rate=5e-3))
    assert again.run(state).lora_path == cut.folder / "run.safetensors"
    assert (again.recorder.of(Saved), again.file(), state.read_bytes()) == ([], finished, saved)
    for content in (earlier, b"damaged", None):
        (cut.folder / "run.safetensors").unlink()
        if content is not None:
            (cut.folder / "run.safetensors").write_bytes(content)
        ground(tmp_path, CASES["AdamW"]).run(state)
        assert cut.file() == finished


def test_more_steps_and_another_rate_are_allowed(tmp_path):
    cut = stop_at(ground(tmp_path, CASES["AdamW"]), CUT)
    cut.run()
    other = ground(tmp_path, OptimizerSpec(learning_rate=3e-3), steps=STEPS + 5)
    assert other.run(cut.folder / "state" / "training.state").step == STEPS + 5
    rates = [event.learning_rates["diffusion_model"] for event in other.recorder.of(StepDone)]
    # A cosine over 25 steps, the first of them (5 %) for warm-up.
    assert rates == pytest.approx([3e-3 * 0.5 * (1 + math.cos(math.pi * (step - 1) / 24)) for step in range(CUT, STEPS + 5)])


def test_a_broken_state_is_explained(tmp_path):
    path = tmp_path / "state.safetensors"
    path.write_bytes(b"not a state")
    with pytest.raises(StateError, match="cannot be read"):
        ground(tmp_path, CASES["AdamW"]).run(path)


KILLED = textwrap.dedent(
    """
    import os, signal, sys
    from pathlib import Path
    sys.path.insert(0, {tests!r})
    import conftest  # registers `pack`
    from pack.tests.training.run.test_resume import CASES, ground
    from pack.training.events import Saved, StepDone

    bench = ground(Path({folder!r}), CASES["AdamW"], save_every_n_steps=5)
    def die(event):
        if isinstance(event, {event}) and event.step >= {step}:
            os.kill(os.getpid(), signal.SIGKILL)
    bench.on_event = die
    bench.run()
    """
)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 on this system")
@pytest.mark.parametrize(("event", "step"), [("StepDone", 12), ("Saved", 10), ("StepDone", 19)])
def test_killed_and_resumed_is_the_same_file(tmp_path, repo_root, event, step):
    whole = ground(tmp_path / "whole", CASES["AdamW"], save_every_n_steps=5)
    whole.run()
    script = KILLED.format(tests=str(repo_root / "tests"), folder=str(tmp_path / "cut"), event=event, step=step)
    killed = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    resumed = ground(tmp_path / "cut", CASES["AdamW"], save_every_n_steps=5)
    resumed.run(resumed.folder / "state" / "training.state")
    assert 5 <= resumed.recorder.of(StepDone)[0].step - 1 <= step
    assert resumed.file() == whole.file()


def test_modules_of_the_state_that_are_not_trained_now_are_named(tmp_path):
    """As when a model's preset has become narrower since."""
    cut = stop_at(ground(tmp_path, CASES["AdamW"]), CUT)
    cut.run()
    path = cut.folder / "state" / "training.state"
    with safe_open(path, "pt") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}
    write_tensors(path, {**tensors, "adapter/refiner.down": torch.zeros(2)}, metadata, checksum=True)
    with pytest.raises(StateError, match="1 tensors of modules that are not trained now, the first is 'refiner.down'"):
        ground(tmp_path, CASES["AdamW"]).run(path)
