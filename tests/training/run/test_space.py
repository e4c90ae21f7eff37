"""What a run leaves on disk, reckoned by hand and held against what it left."""

from types import SimpleNamespace

import pytest

from pack.tests.training.run.fakes import Bench
from pack.training.events import Message
from pack.training.run import carry_out
from pack.training.run.space import Space, space_needed
from pack.training.specs import PreviewSpec, RunSpec, SamplingSpec

MB = 1 << 20


def needed(run: RunSpec, preview=None, done=0, total_steps=100) -> Space:
    return space_needed(run, preview, parameters=MB, state_bytes=8.0, done=done, total_steps=total_steps, steps_per_epoch=5)


def test_the_lora_and_the_state():
    """4 bytes a value in the LoRA; 4 + 8 in the state, which lies there twice while it is replaced."""
    space = needed(RunSpec(steps=100))
    assert (space.lora, space.state, space.total) == (4 * MB, 12 * MB, 28 * MB)


@pytest.mark.parametrize(("settings", "done", "checkpoints"), [
    ({"save_every_n_steps": 10}, 0, 10), ({"save_every_n_steps": 10}, 20, 8), ({"save_every_n_steps": 30}, 0, 3),
    ({"save_every_n_epochs": 2}, 0, 10), ({"save_every_n_steps": 10, "keep_last": 2}, 0, 3),
    ({"save_every_n_steps": 50, "keep_last": 5}, 0, 2), ({"validate_every_n_steps": 10}, 0, 1),
])
def test_checkpoints_that_are_still_to_come(settings, done, checkpoints):
    assert needed(RunSpec(steps=100, **settings), done=done).checkpoints == checkpoints


def test_pictures():
    """At the start, at 25, 50, 75 and 100, at the end: two prompts each, of 64 x 128 pixels with 2 bytes."""
    preview = PreviewSpec(sampling=SamplingSpec(prompts=("a", "b"), width=64, height=128), every_n_steps=25)
    space = needed(RunSpec(steps=100), preview)
    assert (space.pictures, space.picture) == (12, 16384)


def test_it_is_said_and_what_does_not_fit_is_a_warning():
    space = Space(lora=4 * MB, state=12 * MB, checkpoints=10)
    enough = space.told(68 * MB)
    assert enough.level == "info" and enough.text.startswith("On disk the run takes about 68 MB: the LoRA 4 MB, the state 12 MB and ")
    scarce = space.told(40 * MB)
    assert scarce.level == "warning" and "Only 40 MB are free: room for 3 checkpoints." in scarce.text
    assert "no room for the LoRA and its state" in space.told(2 * MB).text


def test_a_run_says_it_and_leaves_about_that(tmp_path, monkeypatch):
    monkeypatch.setattr(carry_out.shutil, "disk_usage", lambda folder: SimpleNamespace(free=3000))
    ground = Bench(folder=tmp_path / "run", run_spec=RunSpec(steps=6, gradient_checkpointing=False, save_every_n_steps=2))
    built = ground.run().built
    said = [event for event in ground.recorder.of(Message) if event.topic == "disk"]
    assert [message.level for message in said] == ["warning"] and "Only 3 KB are free" in said[0].text
    expected = space_needed(ground.run_spec, None, parameters=built.network.parameter_count(), state_bytes=8.0, done=0, total_steps=6,
                            steps_per_epoch=4)
    files = [path for path in ground.folder.rglob("*") if path.suffix in (".safetensors", ".state")]
    left = sum(path.stat().st_size for path in files)
    headers = sum(int.from_bytes(path.read_bytes()[:8], "little") + 8 for path in files)
    assert left - headers == pytest.approx(expected.total - expected.state, rel=0.05)
