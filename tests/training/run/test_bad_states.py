"""A bad state never takes the place of a good one, and one is told how to go on from before it."""

import json
import traceback
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch.utils._python_dispatch import TorchDispatchMode

from pack.tests.training.run.fakes import Bench
from pack.training.errors import NonFiniteError
from pack.training.events import Message, RunEnded, StepDone
from pack.training.optim.schedules import Constant, Schedule
from pack.training.optim.spec import OptimizerSpec
from pack.training.run.control import Control
from pack.training.run.state import LAST_GOOD_NAME
from pack.training.specs import RunSpec

STATE = Path("state") / "training.state"
ROOT = Path(__file__).resolve().parents[3]


def bench(tmp_path, steps=8, **settings) -> Bench:
    given = {key: settings.pop(key) for key in list(settings) if key in RunSpec.__dataclass_fields__}
    return Bench(folder=tmp_path / "run", run_spec=RunSpec(steps=steps, gradient_checkpointing=False, **given), **settings)


@pytest.fixture
def breaks_at(monkeypatch):
    """AdamW makes a NaN of its own in its n-th step."""

    def at(number: int, value: float = float("nan")) -> None:
        plain, done = torch.optim.AdamW.step, []

        def step(self, closure=None):
            plain(self, closure)
            done.append(1)
            if len(done) == number:
                self.param_groups[0]["params"][1].data[0, 0] = value

        monkeypatch.setattr(torch.optim.AdamW, "step", step)

    return at


def facts(path: Path) -> dict:
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["lora_canvas_state"])


def finite(path: Path) -> bool:
    with safe_open(path, "pt") as file:
        return all(bool(file.get_tensor(name).isfinite().all()) for name in file.keys())


@pytest.mark.parametrize("every", [2, 3])
def test_a_nan_of_the_optimizer_is_found_before_it_is_saved_or_trained_on(tmp_path, breaks_at, every):
    """Saved at 2; the update of 4 breaks: found by the save at 4, or by step 5 before anything is learned of it."""
    breaks_at(4)
    ground = bench(tmp_path, save_every_n_steps=every)
    with pytest.raises(NonFiniteError, match=rf"the update of step 4 broke the run: \S+ is not finite.*from step {every}, before it, "
                                             "write 'run' into resume"):
        ground.run()
    (ended,) = ground.recorder.of(RunEnded)
    assert (ended.reason, ended.step, ended.lora_path) == ("failed", 4, None)
    assert "write 'run' into resume" in ended.error
    assert facts(ground.folder / STATE)["step"] == every and finite(ground.folder / STATE)
    assert [path.name for path in (ground.folder / "checkpoints").iterdir()] == [f"run-{every:06d}.safetensors"]
    resumed = bench(tmp_path, optimizer=OptimizerSpec(learning_rate=1e-3))
    assert resumed.run(ground.folder / STATE).step == 8


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_the_last_update_does_not_finish_a_broken_run(tmp_path, breaks_at, value):
    breaks_at(8, value)
    ground = bench(tmp_path)
    with pytest.raises(NonFiniteError, match="step 8 broke the run.*No state had been saved before: start again"):
        ground.run()
    assert ground.recorder.of(RunEnded)[0].reason == "failed"
    assert not ground.folder.joinpath("run.safetensors").exists() and not ground.folder.joinpath(STATE).exists()


def test_a_cancel_right_after_it_saves_nothing_either(tmp_path, breaks_at):
    breaks_at(4)
    seen = []

    def cancel():
        if len(seen) == 4:
            raise KeyboardInterrupt

    ground = bench(tmp_path, control=Control(cancel))
    ground.on_event = lambda event: seen.append(1) if isinstance(event, StepDone) else None
    with pytest.raises(KeyboardInterrupt):
        ground.run()
    assert ground.recorder.of(RunEnded)[0].reason == "cancelled" and not ground.folder.joinpath(STATE).exists()
    assert [event.level for event in ground.recorder.of(Message) if "broke the run" in event.text] == ["error"]


def test_what_the_optimizer_keeps_is_looked_at_before_a_state_is_saved(tmp_path):
    ground = bench(tmp_path)
    result = ground.run()
    before = ground.folder.joinpath(STATE).read_bytes()
    next(iter(result.built.trainer.updater.optimizer.state.values()))["exp_avg_sq"][0] = float("inf")
    with pytest.raises(NonFiniteError, match="exp_avg_sq is not finite"):
        result.built.checkpoints.save_state(result.built.trainer)
    assert ground.folder.joinpath(STATE).read_bytes() == before


def test_a_loss_that_is_not_finite_leaves_the_state_before_it_too(tmp_path):
    """The weights may have led there, or the picture may be bad: both ways on are kept, and named."""
    ground = bench(tmp_path, save_every_n_steps=3)
    steps = []
    ground.denoiser.spoil = lambda denoised: denoised * (steps.append(1) or (float("nan") if len(steps) == 6 else 1.0))
    with pytest.raises(NonFiniteError, match="at step 6, on 'picture.*from step 3, before it, write 'run:last good' into resume.*"
                                             "'run' alone goes on from step 5"):
        ground.run()
    kept = ground.folder / "state" / LAST_GOOD_NAME
    assert (facts(kept)["step"], facts(ground.folder / STATE)["step"]) == (3, 5)
    resumed = bench(tmp_path)
    assert resumed.run(kept).step == 8 and resumed.recorder.of(StepDone)[0].step == 4
    assert not kept.exists() and facts(ground.folder / STATE)["step"] == 8


def test_a_run_that_falls_apart_is_told_so_once_and_the_state_from_before_is_kept(tmp_path):
    """From step 120 on every loss is some 16 times too high: the 26th of them carries the median, and the 50th after that is said."""
    ground = bench(tmp_path, steps=230, save_every_n_steps=20, optimizer=OptimizerSpec(learning_rate=1e-6, schedule=Schedule(Constant())))
    ground.may_fall_apart = True
    done, plain = ground.recorder.of, ground.denoiser.denoise

    def denoise(x_t, sigma, conditions):
        away = 4.0 if len(done(StepDone)) >= 120 else 1.0
        return x_t + (plain(x_t, sigma, conditions) - x_t) * away + (away - 1) * 4 * sigma[:, None, None, None]

    ground.denoiser.denoise = denoise
    ground.run()
    (told,) = [event for event in ground.recorder.of(Message) if event.topic == "divergence"]
    assert told.level == "warning" and 190 <= told.step <= 205
    assert "the loss is more than 3 times" in told.text and "from step 140, before it, write 'run:last good'" in told.text
    assert facts(ground.folder / "state" / LAST_GOOD_NAME)["step"] == 140
    assert facts(ground.folder / STATE)["step"] == 230


@pytest.mark.parametrize("rate", [1e-2, -1e-2])
def test_good_runs_and_those_that_unlearn_are_left_alone(tmp_path, rate):
    ground = bench(tmp_path, steps=250, optimizer=OptimizerSpec(learning_rate=rate, schedule=Schedule(Constant())))
    ground.run()
    assert [event.text for event in ground.recorder.of(Message) if event.topic == "divergence"] == []


def test_a_step_waits_for_the_device_once(tmp_path):
    """Reading one number of a tensor waits for its device. In a step that happens only to what is drawn on the CPU, and to a counter
    that torch's optimizers keep there; everything else is read at once, with tolist, by Updater.measure."""
    reads: list[str] = []

    class Reads(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            if func is torch.ops.aten._local_scalar_dense.default:
                known = [Path(frame.filename) for frame in traceback.extract_stack()
                         if str(ROOT / "training") in frame.filename or Path(frame.filename).parent.name == "optim"]
                reads.append(known[-1].name)
            return func(*args, **(kwargs or {}))

    ground = bench(tmp_path, steps=3, gradient_accumulation=2)
    mode = Reads()

    def on_event(event):
        if isinstance(event, StepDone) and event.step == 1:
            mode.__enter__()
        elif isinstance(event, StepDone) and event.step == 2:
            mode.__exit__(None, None, None)

    ground.on_event = on_event
    ground.run()
    assert "noise.py" in reads and set(reads) <= {"noise.py", "adamw.py", "adam.py", "optimizer.py"}
