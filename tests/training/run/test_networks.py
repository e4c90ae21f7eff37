"""Every kind of network in a whole run: it learns, it is the same file after a pause, and its settings reach the loop."""

import pytest
import torch
from safetensors.torch import load, load_file
from torch.testing import assert_close

from pack.tests.training.run.fakes import Bench, pictures
from pack.training.events import StepDone
from pack.training.network.block_weights import BlockRule, BlockWeights
from pack.training.network.kinds.menu import adapters
from pack.training.network.spec import NetworkSpec, TargetSpec
from pack.training.optim.rules import GroupRule
from pack.training.optim.schedules import Constant, Schedule
from pack.training.optim.spec import OptimizerSpec
from pack.training.run.control import Control
from pack.training.specs import RunSpec

EVERYTHING = TargetSpec(preset="all linear")
CASES = {
    **{algorithm: {"algorithm": algorithm} for algorithm in adapters},
    "pissa": {"init": "pissa"}, "orthogonal": {"init": "orthogonal"},
    "dropouts": {"dropout": 0.3, "rank_dropout": 0.3, "module_dropout": 0.3}, "norms": {"scale_weight_norms": 0.2},
    "biases": {"train_biases": True},
}


def bench(folder, steps=12, optimizer=None, checkpointing=False, **network) -> Bench:
    spec = NetworkSpec(**{"rank": 4, "alpha": 4.0, "targets": EVERYTHING, **network})
    return Bench(
        folder=folder / "run", network=spec, samples=pictures(5), optimizer=optimizer or OptimizerSpec(learning_rate=1e-2, ema_decay=0.9),
        run_spec=RunSpec(steps=steps, batch_size=2, gradient_checkpointing=checkpointing),
    )


@pytest.mark.parametrize("name", CASES)
def test_paused_and_resumed_is_the_same_file(tmp_path, name):
    whole = bench(tmp_path / "whole", **CASES[name])
    whole.run()
    cut = bench(tmp_path / "cut", **CASES[name])
    cut.control = Control()
    cut.on_event = lambda event: cut.control.request_pause() if isinstance(event, StepDone) and event.step == 7 else None
    assert cut.run().reason == "paused"
    resumed = bench(tmp_path / "cut", **CASES[name])
    assert resumed.run(cut.folder / "state" / "training.state").reason == "finished"
    assert resumed.file() == whole.file()


@pytest.mark.parametrize("name", CASES)
def test_it_learns(tmp_path, name):
    """The same draws of one picture, with the adapters on and off."""
    rate = 1e-1 if name == "loha" else 2e-2
    case = {"scale_weight_norms": 2.0} if name == "norms" else CASES[name]
    run = bench(tmp_path, steps=60, optimizer=OptimizerSpec(learning_rate=rate, schedule=Schedule(Constant())), **case)
    run.samples = pictures(1)
    after, before = run.losses_with_and_without(run.run().built)
    assert after < 0.97 * before


def test_recomputing_changes_no_bit_of_a_run_with_dropout(tmp_path):
    runs = [bench(tmp_path / str(checkpointing), checkpointing=checkpointing, **CASES["dropouts"]) for checkpointing in (False, True)]
    for run in runs:
        run.run()
    assert_close(load(runs[0].file()), load(runs[1].file()), rtol=0, atol=0)  # the metadata tells which of them recomputed


def test_norms_are_bounded_and_reported(tmp_path):
    run = bench(tmp_path, steps=30, optimizer=OptimizerSpec(learning_rate=1e-1), scale_weight_norms=0.1)
    result = run.run()
    steps = run.recorder.of(StepDone)
    assert steps[-1].mean_norm <= 0.1001 and steps[-1].scaled_modules > 0
    assert all(float(adapter.norm()) <= 0.1001 for _, adapter in result.built.network.items())
    unbounded = bench(tmp_path / "off")
    unbounded.run()
    assert {event.mean_norm for event in unbounded.recorder.of(StepDone)} == {None}


def test_block_learning_rates_reach_the_optimizer(tmp_path):
    weights = BlockWeights(rules=(BlockRule(where="blocks 1", lr=0.25), BlockRule(where="text", lr=0.0)))
    run = bench(tmp_path, optimizer=OptimizerSpec(learning_rate=1e-3, schedule=Schedule(Constant())), block_weights=weights)
    result = run.run()
    rates = {name: group["base_lr"] for group in result.built.trainer.updater.optimizer.param_groups for name in group["parameter_names"]}
    assert rates == {
        "diffusion_model.blocks.0.down": 1e-3, "diffusion_model.blocks.0.up": 1e-3,
        "diffusion_model.blocks.1.down": 2.5e-4, "diffusion_model.blocks.1.up": 2.5e-4,
    }
    assert not any("text" in key for key in load_file(run.folder / "run.safetensors"))


def test_group_rules_may_speak_of_modules(tmp_path):
    """As Block Weights does: the fake model's numbered list, a part of a name, a whole name with stars."""
    rules = (
        GroupRule(pattern="blocks 1", settings={"lr_scale": 0.25}), GroupRule(pattern="tex", settings={"weight_decay": 0.0}),
        GroupRule(pattern="bl*.0", settings={"lr": 2e-3}),
    )
    run = bench(tmp_path, steps=1, optimizer=OptimizerSpec(learning_rate=1e-3, schedule=Schedule(Constant()), group_rules=rules))
    groups = run.run().built.trainer.updater.optimizer.param_groups
    found = {name: (group["base_lr"], group["weight_decay"]) for group in groups for name in group["parameter_names"]}
    assert {name: value for name, value in found.items() if name.endswith("up")} == {
        "diffusion_model.blocks.0.up": (2e-3, 0.01), "diffusion_model.blocks.1.up": (2.5e-4, 0.01), "diffusion_model.text.up": (1e-3, 0.0),
    }


@pytest.mark.parametrize("algorithm", ["lora", "loha", "dora", "ia3"])
def test_text_encoders_may_rest_before_the_end(tmp_path, algorithm):
    """Their parameters then ask for no gradient, while the model's own still do."""
    optimizer = OptimizerSpec(learning_rate=1e-2, text_encoder_lr=1e-2, stop_text_encoder_at=50.0)
    run = bench(tmp_path, steps=6, optimizer=optimizer, algorithm=algorithm)
    run.train_text = True
    kept = []
    run.on_event = lambda event: kept.append(values(run)) if isinstance(event, StepDone) else None
    network = {}

    def values(_):
        return {name: p.detach().clone() for name, p in network["of"].named_parameters("clip_l")}

    from pack.training.run import build as building

    original = building.build_network
    building.build_network = lambda *args, **kwargs: network.setdefault("of", original(*args, **kwargs))
    try:
        run.run()
    finally:
        building.build_network = original
    changed = [any(not torch.equal(a[name], b[name]) for name in a) for a, b in zip(kept, kept[1:], strict=False)]
    assert changed[0] and not any(changed[2:])
