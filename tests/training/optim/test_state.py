"""Every optimizer: N steps, its state through a safetensors file and JSON into a new one, M steps = N + M steps, bit by bit."""

import json

import pytest
import torch
from safetensors.torch import load, save

from pack.training.errors import StateError
from pack.training.optim.kinds import optimizers
from pack.training.optim.optimizers import build_optimizer
from pack.training.optim.spec import OptimizerSpec
from pack.training.optim.state import export_state, import_state

from .fakes import groups, parameters, train, values

# Paged optimizers are ordinary ones on the CPU, and say so.
pytestmark = pytest.mark.filterwarnings("ignore:Paged optimizers")


def spec_of(name: str) -> OptimizerSpec:
    kind = optimizers.get(name)
    rate = max(kind.usual_rate, 1e-3)
    return OptimizerSpec(
        optimizer=name, learning_rate=rate, text_encoder_lr=rate, loraplus_ratio=1 if kind.finds_rate else 4
    )


@pytest.mark.parametrize("name", optimizers.names())
def test_resumes_bit_by_bit(name):
    spec = spec_of(name)
    whole = parameters()
    train(build_optimizer(spec, groups(whole), 25), whole, 0, 25)

    first = parameters()
    optimizer = build_optimizer(spec, groups(first), 25)
    train(optimizer, first, 0, 13)
    tensors, facts = export_state(optimizer)
    tensors, facts, kept = load(save(tensors)), json.loads(json.dumps(facts)), values(first)

    second = parameters(seed=99)
    with torch.no_grad():
        for key, parameter in second.items():
            parameter.copy_(kept[key])
    optimizer = build_optimizer(spec, groups(second), 25)
    import_state(optimizer, tensors, facts)
    train(optimizer, second, 13, 25)

    start = values(parameters())
    for key in whole:
        assert torch.equal(whole[key], second[key]), key
        assert whole[key].isfinite().all(), key
    assert any(not torch.equal(whole[key], start[key]) for key in whole)


@pytest.mark.parametrize(("saved", "goes_on"), [("foreach", "fused"), ("fused", "foreach")])
def test_the_steps_are_counted_where_the_new_one_counts_them(saved, goes_on):
    """As on a card, whose place meta takes here: beside the parameters where it is fused, else on the CPU."""
    named = parameters()
    optimizer = build_optimizer(OptimizerSpec(extra_arguments={saved: True}), groups(named))
    train(optimizer, named, 0, 3)
    there = {name: torch.nn.Parameter(parameter.to("meta")) for name, parameter in named.items()}
    resumed = build_optimizer(OptimizerSpec(extra_arguments={goes_on: True}), groups(there))
    import_state(resumed, *export_state(optimizer))
    assert {state["exp_avg"].device.type for state in resumed.state.values()} == {"meta"}
    steps = [state["step"] for state in resumed.state.values()]
    assert {step.device.type for step in steps} == {"meta" if goes_on == "fused" else "cpu"}
    assert goes_on == "fused" or {float(step) for step in steps} == {3.0}


@pytest.mark.parametrize("name", optimizers.names())
def test_follows_the_rate_down_to_zero(name):
    named = parameters()
    before = values(named)
    train(build_optimizer(spec_of(name), groups(named), 25), named, 0, 4, scale=0.0)
    assert all(torch.equal(before[key], named[key]) for key in before)


@pytest.mark.parametrize("name", ["AdamW8bit", "PagedAdamW8bit", "Lion8bit", "AdEMAMix8bit", "PagedAdEMAMix8bit"])
def test_eight_bit_states_are_eight_bit(name):
    named = parameters()
    optimizer = build_optimizer(spec_of(name), groups(named))
    train(optimizer, named, 0, 1)
    tensors, _ = export_state(optimizer)
    assert tensors["unet_a.down.state1"].dtype == torch.uint8
    assert tensors["unet_a.up.state1"].dtype == torch.float32  # below 4096 elements


def test_settings_are_the_new_optimizers():
    named = parameters()
    old = build_optimizer(OptimizerSpec(learning_rate=1e-3, weight_decay=0.5), groups(named))
    train(old, named, 0, 2)
    new = build_optimizer(OptimizerSpec(learning_rate=2e-3, weight_decay=0.1), groups(named))
    import_state(new, *export_state(old))
    assert new.param_groups[0]["base_lr"] == 2e-3
    assert new.param_groups[0]["weight_decay"] == 0.1
    assert new.state[named["unet_a.down"]]["step"] == 2


def test_what_does_not_fit_is_refused():
    named = parameters()
    optimizer = build_optimizer(OptimizerSpec(), groups(named))
    train(optimizer, named, 0, 1)
    tensors, facts = export_state(optimizer)
    with pytest.raises(StateError, match="this run uses"):
        import_state(build_optimizer(OptimizerSpec(optimizer="Lion"), groups(named)), tensors, facts)
    fewer = {name: p for name, p in named.items() if not name.startswith("unet_a")}
    with pytest.raises(StateError, match="other parameters"):
        import_state(build_optimizer(OptimizerSpec(), groups(fewer)), tensors, facts)
    del tensors["unet_a.down.exp_avg"]
    with pytest.raises(StateError, match="lacks the tensor 'unet_a.down.exp_avg'"):
        import_state(build_optimizer(OptimizerSpec(), groups(named)), tensors, facts)


def test_what_cannot_be_saved_is_said():
    named = parameters()
    optimizer = build_optimizer(OptimizerSpec(), groups(named))
    optimizer.state[named["unet_a.down"]]["odd"] = object()
    with pytest.raises(StateError, match="keeps a object"):
        export_state(optimizer)


def test_column_major_state_comes_back_column_major():
    named = parameters()
    optimizer = build_optimizer(OptimizerSpec(), groups(named))
    optimizer.state[named["unet_a.down"]] = {"basis": torch.arange(6.0).reshape(2, 3).t()}
    tensors, facts = export_state(optimizer)
    assert tensors["unet_a.down.basis"].is_contiguous()
    other = build_optimizer(OptimizerSpec(), groups(named))
    import_state(other, tensors, facts)
    basis = other.state[named["unet_a.down"]]["basis"]
    assert torch.equal(basis, torch.arange(6.0).reshape(2, 3).t())
    assert basis.stride() == (1, 3)
