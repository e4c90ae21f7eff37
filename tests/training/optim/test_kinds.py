"""A new optimizer is one row of `kinds`, and nothing else: it builds, steps, is saved and resumed, planned for and told."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load, save

from pack.tests.training.run.fakes import Bench, pictures
from pack.training.errors import MissingLibraryError, SettingsError
from pack.training.events import StepDone
from pack.training.network.spec import NetworkSpec, TargetSpec
from pack.training.optim.groups import ParameterGroup
from pack.training.optim.kinds import OptimizerKind, optimizers
from pack.training.optim.optimizers import build_optimizer
from pack.training.optim.spec import OptimizerSpec
from pack.training.optim.state import export_state, import_state
from pack.training.run.control import Control
from pack.training.specs import RunSpec

from .fakes import from_widgets, groups, parameters, train, values


class Heavy(torch.optim.Optimizer):
    """p <- p - lr * m with m <- drag * m + gradient."""

    def __init__(self, params, lr=1e-3, drag=0.5, twice=False):
        super().__init__(params, {"lr": lr, "drag": drag, "twice": twice})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    state = self.state[parameter]
                    state["m"] = group["drag"] * state.get("m", torch.zeros_like(parameter)) + parameter.grad
                    parameter.sub_(group["lr"] * state["m"] * (2 if group["twice"] else 1))


@pytest.fixture
def heavy(monkeypatch):
    """One row in a copy of the registry."""
    monkeypatch.setattr(optimizers, "_entries", dict(optimizers._entries))
    row = OptimizerKind(module=__name__, class_name="Heavy", defaults={"drag": 0.25}, usual_rate=1e-2, state_bytes=4000.0)
    return optimizers.register("Heavy")(row)


def test_it_is_in_the_menu_and_its_arguments_are_known(heavy):
    assert optimizers.names()[-1] == "Heavy"
    assert from_widgets(optimizer="Heavy", extra_arguments="drag=0.75 twice=true").extra_arguments == {"drag": 0.75, "twice": True}
    with pytest.raises(SettingsError, match="Heavy has no argument 'drg'. Did you mean 'drag'"):
        from_widgets(optimizer="Heavy", extra_arguments="drg=1")
    assert "Heavy has no weight decay" in OptimizerSpec(optimizer="Heavy").warnings()[0]


def test_it_steps_by_hand(heavy):
    parameter = torch.nn.Parameter(torch.zeros(1))
    group = ParameterGroup("diffusion_model", [("a.up", parameter)])
    optimizer = build_optimizer(OptimizerSpec(optimizer="Heavy", learning_rate=0.1), [group])
    for _ in range(2):
        parameter.grad = torch.ones(1)
        optimizer.step()
    # m is 1, then 0.25 + 1: -0.1 * (1 + 1.25)
    assert parameter.item() == pytest.approx(-0.225)


def test_it_resumes_bit_by_bit(heavy):
    spec = OptimizerSpec(optimizer="Heavy", learning_rate=1e-2, text_encoder_lr=1e-2)
    whole, first, second = parameters(), parameters(), parameters(seed=99)
    train(build_optimizer(spec, groups(whole)), whole, 0, 9)
    optimizer = build_optimizer(spec, groups(first))
    train(optimizer, first, 0, 4)
    tensors, facts = export_state(optimizer)
    tensors, facts, kept = load(save(tensors)), json.loads(json.dumps(facts)), values(first)
    with torch.no_grad():
        for key, parameter in second.items():
            parameter.copy_(kept[key])
    optimizer = build_optimizer(spec, groups(second))
    import_state(optimizer, tensors, facts)
    train(optimizer, second, 4, 9)
    assert all(torch.equal(whole[key], second[key]) for key in whole)


def test_a_whole_run_with_it(heavy, tmp_path):
    """Planned for, told in run.json's settings and in the file, paused and resumed."""

    def bench(folder):
        return Bench(
            folder=folder / "run", samples=pictures(3),
            optimizer=from_widgets(optimizer="Heavy", learning_rate=1e-2, extra_arguments="drag=0.5"),
            network=NetworkSpec(rank=2, alpha=2.0, targets=TargetSpec(preset="all linear")), run_spec=RunSpec(steps=6, batch_size=1),
        )  # fmt: skip

    whole, cut = bench(tmp_path / "whole"), bench(tmp_path / "cut")
    reserved = []
    whole_order = replace(whole.order(), reserve=reserved.append)
    whole.order = lambda: whole_order
    built = whole.run().built
    cut.control = Control()
    cut.on_event = lambda event: cut.control.request_pause() if isinstance(event, StepDone) and event.step == 3 else None
    assert cut.run().reason == "paused"
    resumed = bench(tmp_path / "cut")
    assert resumed.run(cut.folder / "state" / "training.state").reason == "finished"
    assert resumed.file() == whole.file()
    assert built.settings["optimizer"]["optimizer"] == "Heavy" and built.settings["optimizer"]["extra_arguments"] == {"drag": 0.5}
    header = json.loads(whole.file()[8 : 8 + int.from_bytes(whole.file()[:8], "little")])["__metadata__"]
    assert header["ss_optimizer"] == "Heavy(weight_decay=0.01,drag=0.5)"
    # What it keeps is found by trying it: weights, gradients and one buffer a number, beside what the step holds.
    assert built.network.parameter_count() == 94 and reserved == [built.settings["memory"]["takes"]] and reserved[0] > 94 * 12


def test_a_library_that_is_not_there_is_named(heavy):
    optimizers.register("Absent")(OptimizerKind(module="absent_library.optim", class_name="A"))
    with pytest.raises(MissingLibraryError, match="pip install absent-library"):
        optimizers.get("Absent").load()
    optimizers.register("Old")(OptimizerKind(module="torch.optim", class_name="A"))
    with pytest.raises(SettingsError, match="the installed torch is too old to have A"):
        optimizers.get("Old").load()
