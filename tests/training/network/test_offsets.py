"""Norms and biases that are trained: the gradients are plain autograd's, no base weight is written, names are LyCORIS'."""

import copy

import pytest
import torch
from torch import nn

from pack.tests.training.network.models import Convolutions, Tower, part_of, randomise
from pack.training.errors import SettingsError
from pack.training.network.attach import attached
from pack.training.network.block_weights import BlockRule, BlockWeights
from pack.training.network.build import build_network
from pack.training.network.checkpointing import unit_name, units
from pack.training.network.files import load_tensors, to_tensors
from pack.training.network.offsets import PARAMETERS, Offset, layer_path
from pack.training.network.report import network_report
from pack.training.network.spec import NetworkSpec, TargetSpec

BOTH = {"train_norms": True, "train_biases": True}
EVERYTHING = TargetSpec(preset="all linear + convolution")


class Reader(nn.Module):
    """layers.0 and layers.1 read their norm's weight without calling it, as fused kernels have it."""

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.q, self.out = nn.RMSNorm(8), nn.Linear(8, 8), nn.Linear(8, 8, bias=False)

        def forward(self, x):
            return x + self.out(torch.tanh(self.q(nn.functional.rms_norm(x, (8,), self.norm.weight))))

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([self.Block(), self.Block()])
        self.norm_out = nn.GroupNorm(2, 8)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.norm_out(x.flatten(0, -2))


CASES = [(Tower, (2, 5, 4)), (Convolutions, (2, 3, 9, 8)), (Reader, (2, 5, 8))]


def wired(model, **settings):
    part = part_of(model)
    with_norms = {"train_norms": bool(part.norms), "train_biases": True}
    network = build_network(NetworkSpec(**{"rank": 2, "alpha": 1.0, "targets": EVERYTHING, **with_norms, **settings}), [part], seed=1)
    randomise(network)
    return part, network


def offsets(network):
    return [(path, offset) for (_, path), offset in network.items() if isinstance(offset, Offset)]


def merged(model, network, strength=1.0):
    """A copy with every change added to its weights, which ask for gradients."""
    made = copy.deepcopy(model)
    with torch.no_grad():
        for (_, path), change in network.items():
            layer = made.get_submodule(layer_path(path))
            if isinstance(change, Offset):
                for name, own in change.named_parameters():
                    layer.get_parameter(PARAMETERS[name]).add_(strength * own)
            else:
                layer.weight += strength * change.weight_delta()
    return made.requires_grad_(True)


def values(model):
    return {name: parameter.clone() for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("checkpointing", [False, True, "the first block"])
@pytest.mark.parametrize(("make", "shape"), CASES)
def test_gradients_are_those_of_norms_and_biases_that_ask_for_them(make, shape, checkpointing):
    model = make()
    part, network = wired(model)
    before, x = values(model), torch.randn(shape)
    plain = merged(model, network)
    plain(x).square().mean().backward()
    some = [unit_name(part.name, path) for path, _ in units(model)][:1]
    with attached(network, [part], checkpointing=checkpointing if isinstance(checkpointing, bool) else some):
        model(x).square().mean().backward()
    seen = offsets(network)
    assert len(seen) == sum(getattr(layer, "bias", None) is not None for layer in model.modules()) + isinstance(model, Reader) * 2
    for path, offset in seen:
        for name, own in offset.named_parameters():
            expected = plain.get_submodule(layer_path(path)).get_parameter(PARAMETERS[name]).grad
            assert expected.abs().max() > 0
            assert (own.grad - expected).abs().max() <= 1e-5 * expected.abs().max()
    after = values(model)
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert not any("forward" in vars(layer) for layer in model.modules())


@pytest.mark.parametrize(("make", "shape"), CASES)
def test_strength_scales_them_and_disabled_switches_them_off(make, shape):
    model, x = make(), torch.randn(shape)
    part, network = wired(model)
    base = model(x)
    with torch.no_grad(), attached(network, [part], checkpointing=True):
        with network.at_strength(0.5):
            half = model(x)
        with network.disabled():
            off = model(x)
    assert torch.equal(off, base)
    assert torch.allclose(half, merged(model, network, 0.5)(x), atol=1e-5)


def test_the_base_of_preservation_does_not_reach_into_what_is_recomputed():
    """The forward with everything off comes between the forward that is trained and its backward."""
    model, x = Tower(), torch.randn(2, 5, 4)
    part, network = wired(model)
    plain = merged(model, network)
    plain(x).square().mean().backward()
    with attached(network, [part], checkpointing=True):
        loss = model(x).square().mean()
        with torch.no_grad(), network.disabled():
            model(x)
        loss.backward()
    found = dict(offsets(network))["layers.0.norm"].get_parameter("w_norm").grad
    assert torch.allclose(found, plain.layers[0].norm.weight.grad, rtol=1e-5, atol=1e-8)


def test_a_file_calls_them_as_lycoris_does_and_gives_them_back():
    _, network = wired(Tower(depth=1))
    tensors = to_tensors(network)
    suffixes = {name.removeprefix("diffusion_model.layers.0.norm.") for name in tensors if ".norm." in name}
    assert suffixes == {"w_norm", "b_norm"}
    assert tensors["diffusion_model.layers.0.ff.0.diff_b"].shape == (16,)
    _, other = wired(Tower(depth=1))
    randomise(other, seed=9)
    load_tensors(other, tensors)
    assert all(torch.equal(to_tensors(other)[name], tensor) for name, tensor in tensors.items())


def test_off_is_what_it_was():
    part = part_of(Tower())
    plain = build_network(NetworkSpec(rank=2), [part], seed=1)
    assert not offsets(plain)
    network = build_network(NetworkSpec(rank=2, **BOTH), [part], seed=1)
    both = dict(network.named_parameters())
    assert all(torch.equal(both[name], parameter) for name, parameter in plain.named_parameters())


def test_exclude_and_block_weights_see_norms_and_a_bias_goes_with_its_layer():
    weights = BlockWeights(rules=(BlockRule(where="layers 1", lr=0.25), BlockRule(where="/layers.2.*norm/", lr=0.0),
                                  BlockRule(where="/to_q$/", lr=0.0)))
    targets = TargetSpec(preset="all linear", exclude=("layers.0.norm",))
    _, network = wired(Tower(), targets=targets, block_weights=weights)
    found = {path: offset.lr_scale for path, offset in offsets(network)}
    assert {path for path in found if "norm" in path} == {"layers.1.norm"}
    assert not any("to_q" in path for path in found)
    assert found["layers.1.norm"] == found["layers.1.ff.0.bias"] == 0.25 and found["layers.0.ff.0.bias"] == 1.0


def test_the_report_counts_them_apart():
    model = Tower()
    report = network_report(NetworkSpec(rank=2, targets=EVERYTHING, **BOTH), [part_of(model)], "Other")
    lines = {line.split("  ")[0]: line.split() for line in report.splitlines()}
    assert lines["norms"][1:6] == ["3", "-", "-", "1", "48"] and lines["biases"][1] == "14"
    assert ": 14 layers," in report and "0 other layers" in report


def test_max_norm_bounds_them():
    _, network = wired(Tower(), scale_weight_norms=0.1)
    network.bound_norms()
    assert all(float(offset.norm()) <= 0.1001 for _, offset in offsets(network))


@pytest.mark.parametrize(
    ("make", "settings", "message"),
    [
        (Convolutions, {"train_norms": True}, "no norm of this model has weights"),
        (Tower, {"targets": TargetSpec(preset="attention"), "block_weights": BlockWeights(rules=(BlockRule(where="norm", rank=2),))},
         "matches only norms"),
    ],
)
def test_what_would_have_no_effect_is_an_error(make, settings, message):
    with pytest.raises(SettingsError, match=message):
        wired(make(), **settings)


def test_biases_of_layers_without_any_are_an_error():
    with pytest.raises(SettingsError, match="none of the layers that are trained has a bias"):
        wired(Reader(), targets=TargetSpec(preset="all linear", exclude=(".q",)))
