"""Side matters never end a run: what fails beside the steps is a warning, and the same tensors come out."""

import shutil

import pytest
from safetensors.torch import load

from pack.tests.training.run.fakes import Bench, pictures
from pack.training.events import Message, PreviewReady, StepDone, Validated
from pack.training.run.control import Control
from pack.training.specs import PreviewSpec, RunSpec, SamplingSpec

PREVIEW = PreviewSpec(sampling=SamplingSpec(prompts=("a", "b"), width=64, height=64), every_n_steps=2)


def bench(folder, steps=6, **settings) -> Bench:
    spec = RunSpec(steps=steps, gradient_checkpointing=False, validate_every_n_steps=settings.pop("validate", 0))
    return Bench(folder=folder / "run", run_spec=spec, **settings)


def warnings(ground: Bench) -> list[str]:
    return [event.text for event in ground.recorder.of(Message) if event.topic == "side matter"]


def fail_at(ground: Bench, *calls: int, words: str = "no sampler of that name") -> None:
    """The sampler fails in its n-th calls, counted from 1."""
    sample, count = ground.sampler.sample, []

    def sometimes(*given):
        count.append(1)
        if len(count) in calls:
            raise RuntimeError(words)
        return sample(*given)

    ground.sampler.sample = sometimes


def test_a_failing_preview_is_a_warning_and_the_next_one_is_made(tmp_path):
    plain, ground = bench(tmp_path / "plain"), bench(tmp_path, preview=PREVIEW)
    fail_at(ground, 1, 5)  # the first picture of step 0; step 2 takes the 2nd and 3rd call, step 4 fails in its second picture
    plain.run()
    assert ground.run().reason == "finished"
    assert [event.step for event in ground.recorder.of(PreviewReady)] == [2, 6]
    assert warnings(ground) == [
        f"the preview of step {step} failed: RuntimeError: no sampler of that name. Training goes on, and the next one is tried again."
        for step in (0, 4)
    ]
    assert load(ground.file()).keys() == load(plain.file()).keys()
    assert all(tensor.equal(load(plain.file())[name]) for name, tensor in load(ground.file()).items())


def test_a_preview_that_runs_out_of_memory_is_tried_once_more(tmp_path):
    ground = bench(tmp_path, preview=PREVIEW)
    fail_at(ground, 2, 5, 6, words="CUDA out of memory")  # step 0 in its second picture; step 2 in its first, both times
    assert ground.run().reason == "finished"
    assert [event.step for event in ground.recorder.of(PreviewReady)] == [0, 4, 6]
    assert warnings(ground) == [
        "the preview of step 2 failed: RuntimeError: CUDA out of memory. Training goes on, and the next one is tried again."
    ]


def test_a_cancel_in_a_preview_is_a_cancel(tmp_path):
    ground = bench(tmp_path, preview=PREVIEW, control=Control(interrupts=(InterruptedError,)))

    def cancelled(*given):
        raise InterruptedError

    ground.sampler.sample = cancelled
    with pytest.raises(InterruptedError):
        ground.run()
    assert warnings(ground) == []


def test_a_resume_is_not_stopped_by_the_same_preview(tmp_path):
    """It fails whenever it is tried; the run pauses at 3, goes on, and ends."""
    control = Control()
    ground = bench(tmp_path, preview=PREVIEW, control=control)
    fail_at(ground, *range(1, 100))
    ground.on_event = lambda event: control.request_pause() if isinstance(event, StepDone) and event.step == 3 else None
    assert ground.run().reason == "paused"
    ground.control, ground.on_event = Control(), lambda event: None
    assert ground.run(ground.folder / "state" / "training.state").reason == "finished"
    assert [event.step for event in ground.recorder.of(StepDone)] == [1, 2, 3, 4, 5, 6]
    assert len(warnings(ground)) == 4  # steps 0, 2, 4, 6


def test_a_failing_validation_is_a_warning_and_the_next_one_is_made(tmp_path):
    plain, ground = bench(tmp_path / "plain"), bench(tmp_path, validate=2, samples=pictures(4))
    plain.run()
    denoise = ground.denoiser.denoise
    ground.denoiser.denoise = lambda *given: _fail_below_no_grad(ground, denoise, given)
    assert ground.run().reason == "finished"
    assert [event.step for event in ground.recorder.of(Validated)] == [4, 6]
    assert warnings(ground) == [
        "the validation of step 2 failed: RuntimeError: a picture is gone. Training goes on, and the next one is tried again."
    ]
    assert all(tensor.equal(load(plain.file())[name]) for name, tensor in load(ground.file()).items())


def _fail_below_no_grad(ground, denoise, given):
    import torch

    steps = ground.recorder.of(StepDone)
    if not torch.is_grad_enabled() and steps and steps[-1].step == 2:
        raise RuntimeError("a picture is gone")
    return denoise(*given)


def test_a_folder_that_vanishes_in_the_middle_is_made_again(tmp_path):
    ground = bench(tmp_path)
    ground.on_event = lambda event: shutil.rmtree(ground.folder) if isinstance(event, StepDone) and event.step == 3 else None
    result = ground.run()
    assert (result.reason, result.step) == ("finished", 6)
    assert load(ground.file()) and (ground.folder / "state" / "training.state").is_file()
