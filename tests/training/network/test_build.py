"""Spec + model -> Network: what is adapted, with which rank, and reproducible values."""

import pytest
import torch

from pack.tests.training.network.models import Convolutions, Tower, part_of
from pack.training.errors import SettingsError
from pack.training.network.build import build_network, prepare
from pack.training.network.spec import NetworkSpec, TargetSpec


def network_of(model, *, seed=1, **settings):
    return build_network(NetworkSpec(**{"rank": 4, "alpha": 2.0, **settings}), [part_of(model)], seed=seed)


def test_one_adapter_a_target_under_its_file_key():
    network = network_of(Tower(depth=1))
    paths = ["layers.0.attn1.to_q", "layers.0.attn1.to_out.0", "layers.0.ff.0", "layers.0.ff.2"]
    assert [path for (_, path), _ in network.items()] == paths
    assert list(network.file_keys.values()) == [f"diffusion_model.{path}" for path in paths]
    assert network.parameter_count() == 4 * (8 + 8) * 2 + 4 * (8 + 16) * 2


def test_a_module_without_a_key_in_the_file_is_no_target():
    part = part_of(Tower(depth=1))
    del part.file_keys["layers.0.ff.0"]
    network = build_network(NetworkSpec(), [part], seed=0)
    assert ("diffusion_model", "layers.0.ff.0") not in dict(network.items()) and len(network) == 3


def test_convolutions_have_a_rank_of_their_own_and_1x1_counts_as_linear():
    ranks = {path: (a.rank, a.alpha) for (_, path), a in network_of(Convolutions(), conv_rank=3, conv_alpha=1.0).items()}
    assert ranks == {"blocks.0.conv": (3, 1.0), "blocks.0.point": (4, 2.0), "blocks.0.linear": (4, 2.0)}
    everything = network_of(Convolutions(), targets=TargetSpec(preset="all linear + convolution"))
    assert {adapter.rank for _, adapter in everything.items()} == {4}


def test_values_do_not_depend_on_what_else_is_trained():
    whole, part, other = network_of(Tower()), network_of(Tower(), targets=TargetSpec(preset="attention")), network_of(Tower(), seed=2)
    for place, adapter in part.items():
        assert torch.equal(adapter.down, dict(whole.items())[place].down)
        assert not torch.equal(adapter.down, dict(other.items())[place].down)


def test_parts_have_names_and_parameters_of_their_own():
    parts = [part_of(Tower(depth=1)), part_of(Tower(depth=1), "clip_l")]
    network = build_network(NetworkSpec(targets=TargetSpec(include=("clip_l.layers.0.ff.0",))), parts, seed=0)
    assert list(network.adapters_of("clip_l")) == ["layers.0.ff.0"]
    assert [name for name, _ in network.named_parameters("clip_l")] == ["clip_l.layers.0.ff.0.down", "clip_l.layers.0.ff.0.up"]
    everything = [name for name, _ in network.named_parameters()]
    assert everything == [name for part in ("diffusion_model", "clip_l") for name, _ in network.named_parameters(part)]


def test_prepare_gives_the_base_weight_as_it_acts():
    model = Tower(depth=1).to(torch.bfloat16)
    part = part_of(model)
    network = build_network(NetworkSpec(algorithm="dora", rank=2), [part], seed=0)
    prepare(network, [part])
    for (_, path), adapter in network.items():
        expected = model.get_submodule(path).weight.float().norm(dim=0)
        assert torch.allclose(adapter.magnitude, expected)


def test_every_module_that_a_kind_refuses_is_counted_once_a_reason():
    with pytest.raises(SettingsError, match=r"even rank, but it is 3.*\(12 modules, the first is 'layers.0.attn1.to_q'\)"):
        network_of(Tower(), rank=3, init="orthogonal")
    with pytest.raises(SettingsError, match="unit is 4, which does not divide rank 6"):
        network_of(Tower(), rank=6, algorithm="dylora")


def test_bound_norms_by_hand():
    """Norms 4 and 0.5 with limit 2: the first is halved, the second left; their mean is (2 + 0.5) / 2."""
    spec = TargetSpec(preset="all linear", exclude=("layers",))
    network = network_of(Tower(), rank=1, alpha=1.0, targets=spec, scale_weight_norms=2.0)
    for adapter, size in zip(dict(network.items()).values(), (4.0, 0.5), strict=True):
        adapter.down.data.zero_(), adapter.up.data.zero_()
        adapter.down.data[0, 0], adapter.up.data[0, 0] = 1.0, size
    assert network.bound_norms().tolist() == pytest.approx([1.25, 1])
    first, second = dict(network.items()).values()
    assert float(first.norm()) == pytest.approx(2.0) and float(second.norm()) == pytest.approx(0.5)
    assert float(first.down.detach()[0, 0]) == pytest.approx(0.5**0.5)
    assert network_of(Tower()).bound_norms() is None
