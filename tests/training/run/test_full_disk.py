"""A disk that refuses ends a run as 'stopped', with its reason; nothing that was learned is lost."""

import errno

import pytest
import torch
from safetensors.torch import load

from pack.tests.training.run.fakes import Bench
from pack.tests.training.unreliable_disk import Disk
from pack.training.errors import NonFiniteError
from pack.training.events import Emitter, Message, RunEnded, Saved, StepDone
from pack.training.record.run_json import RunJson, read_run
from pack.training.run.carry_out import carry_out
from pack.training.specs import RunSpec

STATE = "training.state"


@pytest.fixture
def disk(monkeypatch) -> Disk:
    return Disk(monkeypatch)


def bench(folder, **settings) -> Bench:
    return Bench(folder=folder / "run", run_spec=RunSpec(**{"steps": 6, "gradient_checkpointing": False, **settings}))


def run(ground: Bench, state=None):
    """With run.json, as in ComfyUI."""
    return carry_out(ground.order(), ground.control, Emitter([ground.recorder, RunJson(ground.folder)]), state)


def learned(result) -> dict[str, torch.Tensor]:
    return dict(result.built.checkpoints.trained(result.built.trainer))


def state_of(ground: Bench):
    return ground.folder / "state" / STATE


def test_a_checkpoint_that_does_not_fit_stops_the_run_and_keeps_what_was_learned(tmp_path, disk):
    """Full from step 4 on for everything but the records; then there is room again, and the run is resumed."""
    whole = bench(tmp_path / "whole", save_every_n_steps=2)
    whole.run()
    ground = bench(tmp_path, save_every_n_steps=2)
    disk.refuses = lambda name: name.endswith((".safetensors", ".state")) and len(ground.recorder.of(StepDone)) >= 4
    result = run(ground)
    assert (result.reason, result.step, result.lora_path) == ("stopped: disk full", 4, None)
    half = load((whole.folder / "checkpoints" / "run-000004.safetensors").read_bytes())
    assert all(tensor.equal(half[name]) for name, tensor in learned(result).items())
    record = read_run(ground.folder)
    assert (record["status"], record["step"]) == ("stopped: disk full", 4)
    assert record["missing"] == ["run-000004.safetensors of step 4", "run.safetensors of step 4",
                                 "the state of step 4 (the last whole one is of step 2)"]
    said = [event.text for event in ground.recorder.of(Message) if event.level == "error"]
    assert len(said) == 1 and "disk full" in said[0] and "Save LoRA can write it elsewhere" in said[0]
    assert [path.name for path in ground.folder.rglob("*.part")] == []
    disk.refuses = lambda name: False
    resumed = run(ground, state_of(ground))
    assert (resumed.reason, resumed.step) == ("finished", 6)
    assert ground.file() == whole.file() and read_run(ground.folder)["missing"] == []


def test_a_finished_lora_that_does_not_fit_goes_on_through_the_outputs(tmp_path, disk):
    whole, ground = bench(tmp_path / "whole"), bench(tmp_path)
    whole.run()
    disk.refuses = lambda name: name == "run.safetensors"
    result = run(ground)
    assert (result.reason, result.step, result.lora_path) == ("stopped: disk full", 6, None)
    assert all(tensor.equal(load(whole.file())[name]) for name, tensor in learned(result).items())
    assert read_run(ground.folder)["missing"] == ["run.safetensors of step 6"] and state_of(ground).is_file()


def test_a_state_that_does_not_fit_leaves_the_lora_and_the_state_of_before(tmp_path, disk):
    ground = bench(tmp_path, save_every_n_steps=4)
    disk.refuses = lambda name: name == STATE and len(ground.recorder.of(StepDone)) == 6
    result = run(ground)
    assert (result.reason, result.lora_path) == ("stopped: disk full", ground.folder / "run.safetensors")
    assert read_run(ground.folder)["missing"] == ["the state of step 6 (the last whole one is of step 4)"]
    disk.refuses = lambda name: False
    assert run(ground, state_of(ground)).step == 6


def test_a_write_that_goes_well_the_second_time_changes_nothing(tmp_path, disk):
    ground = bench(tmp_path, save_every_n_steps=2)
    disk.refuses = lambda name: name != ".trial" and disk.refused.count(name) < 2
    assert ground.run().reason == "finished"
    assert ground.recorder.of(RunEnded)[0].missing == () and ground.recorder.of(RunEnded)[0].lora_path


def test_an_old_checkpoint_is_there_until_the_new_one_is(tmp_path, disk):
    ground = bench(tmp_path, save_every_n_steps=2, keep_last=1)
    disk.refuses = lambda name: name == "run-000004.safetensors"
    assert ground.run().reason == "stopped: disk full"
    assert [path.name for path in (ground.folder / "checkpoints").iterdir()] == ["run-000002.safetensors"]


@pytest.mark.parametrize(("number", "cause"), [(errno.EROFS, "read-only file system"), (errno.EACCES, "no permission")])
def test_other_refusals_have_their_own_words(tmp_path, disk, number, cause):
    ground = bench(tmp_path)
    disk.number, disk.refuses = number, lambda name: name.endswith((".safetensors", ".state"))
    assert ground.run().reason == f"stopped: {cause}"


def test_a_cancel_and_an_error_stay_what_they_were(tmp_path, disk):
    disk.refuses = lambda name: name.endswith((".safetensors", ".state"))
    for error in (KeyboardInterrupt, NonFiniteError("the loss became nan")):
        ground = bench(tmp_path / type(error).__name__)

        def failing(event, error=error):
            if isinstance(event, StepDone) and event.step == 3:
                raise error

        ground.on_event = failing
        with pytest.raises(error if isinstance(error, type) else type(error)):
            ground.run()
        ended = ground.recorder.of(RunEnded)[0]
        assert ended.reason == ("cancelled" if error is KeyboardInterrupt else "failed")
        assert ended.missing == ("run.safetensors of step 3", "the state of step 3 (there is none)")
        assert ground.recorder.of(Saved) == []


def test_a_cancel_on_a_full_disk_leaves_the_lora_among_the_temporary_files(tmp_path, disk, monkeypatch):
    """A cancelled node gives nothing on."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    ground = bench(tmp_path)
    disk.refuses = lambda name: name in ("run.safetensors", STATE)

    def cancel(event) -> None:
        if isinstance(event, StepDone) and event.step == 3:
            raise KeyboardInterrupt

    ground.on_event = cancel
    with pytest.raises(KeyboardInterrupt):
        ground.run()
    assert load((tmp_path / "temporary" / "lora_canvas" / "run-000003.safetensors").read_bytes())
    (said,) = [event.text for event in ground.recorder.of(Message) if event.level == "error"]
    assert "folder for temporary files, as lora_canvas/run-000003.safetensors" in said and str(tmp_path) not in said
