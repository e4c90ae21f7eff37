"""A finished run that is made longer: what its rate does from here is said, and done."""

import math
from pathlib import Path

import pytest

from pack.tests.training.run.fakes import Bench
from pack.tests.training.run.test_resume import ground, stop_at
from pack.training.errors import SettingsError
from pack.training.events import Message, StepDone
from pack.training.optim.schedules import Constant, Cosine, Schedule
from pack.training.optim.spec import OptimizerSpec
from pack.training.specs import RunSpec

COSINE = OptimizerSpec(learning_rate=1e-3, schedule=Schedule(Cosine(), warmup_percent=0))


def told(bench: Bench) -> list[tuple[str, str]]:
    return [(event.level, event.text) for event in bench.recorder.of(Message) if event.topic == "resume"]


def rates(bench: Bench) -> list[float]:
    return [event.learning_rates["diffusion_model"] for event in bench.recorder.of(StepDone)]


def lengthened(folder: Path, way: str, optimizer: OptimizerSpec = COSINE) -> Bench:
    """4 steps, finished, then 8."""
    ground(folder, optimizer, steps=4).run()
    longer = ground(folder, optimizer, steps=8, resume_schedule=way)
    longer.run(longer.folder / "state" / "training.state")
    return longer


def cosine(step: int, total: int) -> float:
    return 1e-3 * 0.5 * (1 + math.cos(math.pi * step / total))


def test_continue_lifts_the_rate_and_says_so(tmp_path):
    longer = lengthened(tmp_path, "continue")
    assert rates(longer) == pytest.approx([cosine(step, 8) for step in range(4, 8)])
    assert told(longer)[-1] == ("warning", (
        "the run was to have 4 steps and now has 8. The learning rate was 0.00015 in step 4; resume_schedule 'continue' on Train LoRA "
        "means: it goes on as in a run of 8 steps, 0.0005 in step 5, 3.8e-05 in step 8. The other choices: 'hold': it stays at 0.00015; "
        "'restart': the schedule begins anew for the 4 steps left, up to 0.001, 0.00015 in step 8."
    ))


def test_hold_and_restart_do_what_is_said(tmp_path):
    assert rates(lengthened(tmp_path / "hold", "hold")) == pytest.approx([cosine(3, 4)] * 4)
    assert rates(lengthened(tmp_path / "restart", "restart")) == pytest.approx([cosine(step, 4) for step in range(4)])


def test_to_hold_nearly_nothing_is_a_warning(tmp_path):
    ground(tmp_path, COSINE, steps=40).run()
    longer = stop_at(ground(tmp_path, COSINE, steps=50, resume_schedule="hold"), 41)
    longer.run(longer.folder / "state" / "training.state")
    level, text = told(longer)[-1]
    assert level == "warning" and "means: it stays at 1.5e-06, so that hardly anything is learned. The other" in text


def test_a_constant_rate_is_no_warning(tmp_path):
    (steps, rate) = told(lengthened(tmp_path, "continue", OptimizerSpec(learning_rate=1e-3, schedule=Schedule(Constant()))))
    assert steps == ("info", "goes on with other settings, which is allowed: Train LoRA: steps was 4, is now 8.")
    assert rate[0] == "info" and rate[1].startswith("the run was to have 4 steps and now has 8. The learning rate was 0.001 in step 4;")


@pytest.mark.parametrize("way", ["hold", "restart"])
def test_paused_in_what_was_added_it_ends_in_the_same_file(tmp_path, way):
    whole = lengthened(tmp_path / "whole", way)
    ground(tmp_path / "cut", COSINE, steps=4).run()
    cut = stop_at(ground(tmp_path / "cut", COSINE, steps=8, resume_schedule=way), 6)
    state = cut.folder / "state" / "training.state"
    cut.run(state)
    again = ground(tmp_path / "cut", COSINE, steps=8, resume_schedule=way)
    again.run(state)
    assert again.file() == whole.file()
    assert told(again) == []


def test_a_choice_that_is_not_used_is_said(tmp_path):
    cut = stop_at(ground(tmp_path, COSINE, steps=4), 2)
    cut.run()
    same = ground(tmp_path, COSINE, steps=4, resume_schedule="hold")
    same.run(cut.folder / "state" / "training.state")
    assert told(same) == [("info", "resume_schedule 'hold' is not used: the run has the steps and the schedule that it had, and its "
                                   "learning rate goes on with them ('continue').")]


def test_an_unknown_choice_is_refused():
    with pytest.raises(SettingsError, match="resume_schedule is 'stay' but must be one of continue, hold, restart"):
        RunSpec(resume_schedule="stay")


def test_text_encoders_that_wake_again_are_said(tmp_path):
    spec = OptimizerSpec(learning_rate=1e-3, text_encoder_lr=1e-4, stop_text_encoder_at=50, schedule=Schedule(Cosine(), warmup_percent=0))
    longer = lengthened(tmp_path, "restart", spec)
    assert told(longer)[-1][1].endswith(" Text encoders are trained up to step 4 (stop_text_encoder_at).")
