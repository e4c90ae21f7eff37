"""What 'auto' meant when a run began holds for as long as it goes on, and is told."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from pack.tests.training.run.fakes import Bench, TinyDenoiser
from pack.training.events import Message
from pack.training.objective.timesteps import FluxShift, Shift
from pack.training.run.resume.begun import AUTO
from pack.training.specs import RunSpec

HEADER = "lora_canvas_state"


class FlowDenoiser(TinyDenoiser):
    parametrisation = "flow"

    def __init__(self, model, own_shift):
        super().__init__(model)
        self.own_shift = own_shift

    def sigmas(self):
        return torch.linspace(0.001, 1, 1000)


def bench(folder, steps: int, own_shift: float | None) -> Bench:
    made = Bench(folder, RunSpec(run_name="run", steps=steps, seed=1))
    made.denoiser = FlowDenoiser(made.model, own_shift)
    return made


def identity(path) -> dict:
    with safe_open(path, framework="pt") as file:
        return json.loads(file.metadata()[HEADER])["identity"]


def without(path) -> None:
    """As a state of before: it does not say what 'auto' meant, and has no checksum."""
    with safe_open(path, framework="pt") as file:
        facts = json.loads(file.metadata()[HEADER])
        tensors = {name: file.get_tensor(name) for name in file.keys() if name != "lora_canvas_crc32"}
    del facts["identity"][AUTO]
    save_file(tensors, path, {HEADER: json.dumps(facts)})


def told(made: Bench) -> list[str]:
    return [message.text for message in made.recorder.of(Message) if message.topic == "noise levels"]


@pytest.fixture
def state(tmp_path):
    return tmp_path / "run" / "state" / "training.state"


def test_auto_is_the_model_s_own_shift(tmp_path, state):
    result = bench(tmp_path / "run", 1, 3.0).run()
    assert result.built.trainer.stepper._objective.spec.timesteps == Shift(k=3.0)
    assert identity(state)[AUTO] == {"type": "Shift", "k": 3.0, "scale": 1.0}


def test_a_run_from_before_goes_on_as_it_began(tmp_path, state):
    bench(tmp_path / "run", 1, None).run()  # FLUX's shift for every flow model
    without(state)
    later = bench(tmp_path / "run", 2, 3.0)
    result = later.run(state)
    assert result.step == 2 and result.built.trainer.stepper._objective.spec.timesteps == FluxShift()
    (text,) = told(later)
    assert "goes on with the noise levels that it began with, FluxShift(" in text and "'auto' is Shift(k 3, scale 1) for a new run" in text
    assert identity(state)[AUTO]["type"] == "FluxShift"
    again = bench(tmp_path / "run", 3, 3.0)
    assert again.run(state).built.trainer.stepper._objective.spec.timesteps == FluxShift() and len(told(again)) == 1


def test_another_shift_of_the_graph_does_not_change_a_run_that_goes_on(tmp_path, state):
    bench(tmp_path / "run", 1, 3.0).run()
    later = bench(tmp_path / "run", 2, 5.0)
    assert later.run(state).built.trainer.stepper._objective.spec.timesteps == Shift(k=3.0)
    assert "'auto' is Shift(k 5, scale 1)" in told(later)[0]


@pytest.mark.parametrize("own_shift", [None, 3.0])
def test_nothing_is_told_where_nothing_changed(tmp_path, state, own_shift):
    bench(tmp_path / "run", 1, own_shift).run()
    later = bench(tmp_path / "run", 2, own_shift)
    later.run(state)
    assert told(later) == []
