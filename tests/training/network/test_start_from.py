"""Going on from a LoRA: ranks and alphas from the file, or the file fitted into the network's."""

import pytest
import torch

from pack.tests.training.network.models import Tower, part_of, randomise
from pack.training.errors import SettingsError
from pack.training.network.block_weights import BlockRule, BlockWeights
from pack.training.network.build import build_network, prepare
from pack.training.network.kinds.menu import ALGORITHMS, adapters
from pack.training.network.spec import NetworkSpec, StartFrom, TargetSpec
from pack.training.network.start_from import ModuleStart

ATTENTION = TargetSpec(preset="attention")


def trained(**settings):
    """A network with values, and the same as starts."""
    part = part_of(Tower(depth=2))
    spec = NetworkSpec(**{"rank": 4, "alpha": 2.0, "targets": ATTENTION, **settings})
    network = build_network(spec, [part], seed=1)
    prepare(network, [part])
    randomise(network)
    kind = "lora" if adapters.get(spec.algorithm).is_plain_lora else spec.algorithm
    return part, network, {place: ModuleStart(kind, adapter.file_tensors()) for place, adapter in network.items()}


def started(part, starts, *, rank_from_file=True, drop_others=False, **settings):
    start = StartFrom(name="old.safetensors", digest="d", rank_from_file=rank_from_file, drop_others=drop_others)
    network = build_network(NetworkSpec(**{"rank": 16, "alpha": 16.0, "start_from": start, **settings}), [part], seed=5, starts=starts)
    prepare(network, [part], starts)
    return network


def deltas(part, network) -> dict:
    return {place: a.weight_delta(part.module.get_submodule(place[1]).weight) for place, a in network.items()}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_same_change_in_the_same_modules_with_the_file_s_rank(algorithm):
    part, old, starts = trained(algorithm=algorithm)
    network = started(part, starts, algorithm=algorithm)
    assert deltas(part, network).keys() == deltas(part, old).keys()
    for place, delta in deltas(part, network).items():
        torch.testing.assert_close(delta, deltas(part, old)[place], atol=1e-5, rtol=1e-4)
    if algorithm in ("lora", "rslora"):
        assert {(adapter.rank, adapter.scale) for _, adapter in network.items()} == {
            (4, old.adapters_of("diffusion_model")["layers.0.attn1.to_q"].scale)
        }


def test_a_plain_lora_goes_on_as_rslora_with_its_own_scale():
    part, old, starts = trained()
    network = started(part, starts, algorithm="rslora")
    assert {(adapter.rank, adapter.alpha, adapter.scale) for _, adapter in network.items()} == {(4, 1.0, 0.5)}
    assert {float(adapter.file_tensors()["alpha"]) for _, adapter in network.items()} == {2.0}


def test_block_learning_rates_count_and_what_is_off_is_kept_as_it_is():
    part, old, starts = trained()
    weights = BlockWeights(rules=(BlockRule(where="layers 0", lr=0.5), BlockRule(where="layers 1", lr=0.0)))
    network = started(part, starts, targets=ATTENTION, block_weights=weights)
    assert {path: adapter.lr_scale for (_, path), adapter in network.items()} == {
        "layers.0.attn1.to_q": 0.5, "layers.0.attn1.to_out.0": 0.5, "layers.1.attn1.to_q": 0.0, "layers.1.attn1.to_out.0": 0.0,
    }
    assert deltas(part, network).keys() == deltas(part, old).keys()


def test_fitted_into_a_larger_rank_and_wider_targets():
    part, old, starts = trained()
    network = started(part, starts, rank_from_file=False)
    assert len(network) == 8 and {adapter.rank for _, adapter in network.items()} == {16}
    for place, delta in deltas(part, network).items():
        expected = deltas(part, old).get(place, torch.zeros_like(delta))
        torch.testing.assert_close(delta, expected, atol=1e-6, rtol=1e-4)


def test_a_larger_rank_does_not_fit():
    part, _, starts = trained(rank=8)
    with pytest.raises(SettingsError, match="(?s)has rank 8 in old.safetensors, but 4 on the LoRA Network node.*and 1 more"):
        started(part, starts, rank_from_file=False, rank=4)


def test_what_would_be_lost_is_an_error_or_dropped():
    part, _, starts = trained(targets=TargetSpec())
    with pytest.raises(SettingsError, match="changes 4 modules that this run does not train"):
        started(part, starts, rank_from_file=False, targets=ATTENTION)
    assert len(started(part, starts, rank_from_file=False, drop_others=True, targets=ATTENTION)) == 4
    starts["clip_l", "layers.0"] = next(iter(starts.values()))
    with pytest.raises(SettingsError, match="changes 1 modules that this run does not train .in clip_l"):
        started(part, starts)
    assert len(started(part, starts, drop_others=True)) == 8


def test_another_kind_or_other_options():
    part, _, starts = trained(algorithm="loha")
    with pytest.raises(SettingsError, match="holds loha, but algorithm on the LoRA Network node is 'lora'"):
        started(part, starts)
    from pack.training.network.kinds.lokr import LoKrOptions

    part, _, starts = trained(algorithm="lokr", rank=1)
    with pytest.raises(SettingsError, match="Use the options that it was trained with"):
        started(part, starts, algorithm="lokr", options=LoKrOptions(full_matrix=True))
    with pytest.raises(SettingsError, match="'pissa' starts from the base weight"):
        started(part, starts, init="pissa")
