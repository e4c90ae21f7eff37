"""Every kind of adapter: what is trained is what ComfyUI merges from the file.

The op runs as ComfyUI's own layer (comfy.ops), the file's tensors are read by comfy.lora.load_lora, and the weight it
computes from them goes into the same layer: its output must be the trained module's.
"""

import logging

import pytest
import torch
from torch import nn

from pack.training.network.attach import attached
from pack.training.network.build import build_network, prepare
from pack.training.network.files import load_tensors, to_tensors
from pack.training.network.kinds.boft import BOFT
from pack.training.network.kinds.dylora import DyLoRAOptions
from pack.training.network.kinds.ia3 import IA3Options
from pack.training.network.kinds.lokr import LoKrOptions
from pack.training.network.kinds.menu import ALGORITHMS, adapters
from pack.training.network.kinds.oft import OFT, OFTOptions
from pack.training.network.spec import NetworkSpec, TargetSpec
from pack.training.ops import Op
from pack.training.parts import Trainable

CASES = {
    "lora": {}, "lora orthogonal": {"init": "orthogonal"}, "lora pissa": {"init": "pissa"},
    "rslora": {}, "rslora pissa": {"init": "pissa"}, "lora_fa": {}, "dora": {}, "dora orthogonal": {"init": "orthogonal"},
    "dylora": {"options": DyLoRAOptions(unit=2)}, "loha": {}, "lokr": {"rank": 2},
    "lokr factor": {"rank": 1, "options": LoKrOptions(factor=2)}, "lokr both": {"rank": 1, "options": LoKrOptions(decompose_both=True)},
    "lokr full": {"options": LoKrOptions(full_matrix=True)}, "oft": {}, "oft constraint": {"options": OFTOptions(constraint=0.01)},
    "boft": {}, "boft constraint": {"options": OFTOptions(constraint=0.01)}, "glora": {}, "ia3": {},
    "ia3 input": {"options": IA3Options(on_input=True)},
}
LAYERS = ("linear", "no_bias", "conv", "strided", "point", "conv1d", "conv3d")
SHAPES = {"linear": (2, 3, 8), "no_bias": (2, 8), "conv": (2, 8, 5, 6), "strided": (2, 8, 5, 6), "point": (2, 8, 4, 4),
          "conv1d": (2, 8, 9), "conv3d": (1, 8, 2, 4, 4)}


class Model(nn.Module):
    """One of each op that ComfyUI's models have, all 8 -> 16 channels."""

    def __init__(self, ops, dtype):
        super().__init__()
        made = {
            "linear": ops.Linear(8, 16), "no_bias": ops.Linear(8, 16, bias=False), "conv": ops.Conv2d(8, 16, 3, padding=1),
            "strided": ops.Conv2d(8, 16, (3, 1), stride=2, padding=(1, 0)), "point": ops.Conv2d(8, 16, 1),
            "conv1d": ops.Conv1d(8, 16, 3), "conv3d": ops.Conv3d(8, 16, (1, 3, 3), padding=(0, 1, 1)),
        }
        self.blocks = nn.ModuleList([nn.ModuleDict(made)])
        generator = torch.Generator().manual_seed(5)
        for parameter in self.parameters():
            values = torch.randn(parameter.shape, generator=generator) * 0.3
            parameter.data = values.to(dtype)
        self.requires_grad_(False)


@pytest.fixture(scope="module")
def ops(comfy):
    return comfy.module("comfy.ops").manual_cast


def wired(ops, name, dtype=torch.float32, seed=1):
    from pack.host.lend.weights import ComfyWeights

    algorithm = name.split()[0]
    model = Model(ops, dtype)
    keys = {path: f"diffusion_model.{path}" for path, module in model.named_modules() if hasattr(module, "weight")}
    part = Trainable(name="diffusion_model", module=model, file_keys=keys, weights=ComfyWeights(torch.device("cpu"), torch.float32))
    settings = {"rank": 4, "alpha": 2.0, "targets": TargetSpec(preset="all linear + convolution"), **CASES[name]}
    network = build_network(NetworkSpec(algorithm=algorithm, **settings), [part], seed=seed)
    prepare(network, [part])
    return model, part, network


def randomise(network, seed=3, scale=0.2):
    generator = torch.Generator().manual_seed(seed)
    for _, parameter in network.named_parameters():
        parameter.data += scale * torch.randn(parameter.shape, generator=generator)


def patches_of(comfy, tensors) -> dict:
    """As ComfyUI loads them; every key of the file must be used."""
    names = {key.rsplit(".", 1)[0]: key for key in (f"diffusion_model.blocks.0.{layer}.weight" for layer in LAYERS)}
    complaints = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: complaints.append(record.getMessage())
    logging.getLogger().addHandler(handler)
    try:
        patches = comfy.module("comfy.lora").load_lora(tensors, names)
    finally:
        logging.getLogger().removeHandler(handler)
    assert complaints == []
    assert len(patches) == len(LAYERS)
    return patches


def merged(comfy, layer, patch, strength=1.0):
    """A copy of ComfyUI's layer with the weight that ComfyUI computes."""
    weight = comfy.module("comfy.lora").calculate_weight([(strength, patch, 1.0, None, None)], layer.weight.float().clone(), "layer")
    made = type(layer).__new__(type(layer))
    made.__dict__ = {**layer.__dict__, "_parameters": {**layer._parameters, "weight": nn.Parameter(weight, requires_grad=False)}}
    return made


def inputs(layer):
    return torch.randn(SHAPES[layer], generator=torch.Generator().manual_seed(7))


def largest_difference(comfy, model, part, network, tensors, *, strength=1.0) -> float:
    patches = patches_of(comfy, tensors)
    worst = 0.0
    with torch.no_grad(), attached(network, [part], checkpointing=False), network.at_strength(strength):
        trained = {layer: model.blocks[0][layer](inputs(layer)) for layer in LAYERS}
    with torch.no_grad():
        for layer in LAYERS:
            base = model.blocks[0][layer]
            theirs = merged(comfy, base, patches[f"diffusion_model.blocks.0.{layer}.weight"], strength)(inputs(layer))
            assert (theirs - base(inputs(layer))).abs().max() > 1e-3, f"{layer} is not changed at all"
            worst = max(worst, float((theirs - trained[layer]).abs().max()))
    return worst


def test_every_kind_has_a_case():
    assert {name.split()[0] for name in CASES} == set(ALGORITHMS)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float8_e4m3fn], ids=["fp32", "bf16", "fp8"])
def test_trained_forward_is_the_merged_weight_s(comfy, ops, name, dtype):
    model, part, network = wired(ops, name, dtype)
    randomise(network)
    assert largest_difference(comfy, model, part, network, to_tensors(network)) < 2e-5


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("strength", [0.5, -1.0])
def test_strength_is_comfyui_s(comfy, ops, name, strength):
    """What a preview shows at a strength is what LoraLoader gives at it."""
    model, part, network = wired(ops, name)
    randomise(network)
    assert largest_difference(comfy, model, part, network, to_tensors(network), strength=strength) < 2e-5


@pytest.mark.parametrize("name", CASES)
def test_the_change_of_the_weight_is_comfyui_s(comfy, ops, name):
    model, _, network = wired(ops, name)
    randomise(network)
    patches = patches_of(comfy, to_tensors(network))
    for (_, path), adapter in network.items():
        weight = model.get_submodule(path).weight
        theirs = comfy.module("comfy.lora").calculate_weight(
            [(1.0, patches[f"diffusion_model.{path}.weight"], 1.0, None, None)], weight.clone(), path
        )
        torch.testing.assert_close(theirs - weight, adapter.weight_delta(weight), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", CASES)
def test_start_is_no_change(comfy, ops, name):
    model, part, network = wired(ops, name)
    with torch.no_grad():
        for layer in LAYERS:
            base = model.blocks[0][layer](inputs(layer))
            with attached(network, [part], checkpointing=False):
                assert (model.blocks[0][layer](inputs(layer)) - base).abs().max() < 1e-5


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float8_e4m3fn], ids=["fp32", "bf16", "fp8"])
def test_gradients_reach_every_parameter_and_no_base_weight(ops, name, dtype):
    model, part, network = wired(ops, name, dtype)
    randomise(network)
    before = [p.detach().clone() for p in model.parameters()]
    reached = {name: torch.zeros(p.shape) for name, p in network.named_parameters()}
    for seed in range(12 if name.startswith("dylora") else 1):
        network.begin(seed)
        for _, parameter in network.named_parameters():
            parameter.grad = None
        with attached(network, [part], checkpointing=False):
            loss = sum(model.blocks[0][layer](inputs(layer).requires_grad_()).square().mean() for layer in LAYERS)
            loss.backward()
        for key, parameter in network.named_parameters():
            reached[key] += parameter.grad.abs()
    assert all(value.any() for value in reached.values())
    assert all(p.grad is None and torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True))


@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith(("dylora", "dora"))])
def test_gradients_are_the_merged_weight_s(ops, name):
    """Through functional_call on W + dW(parameters), all in autograd. DoRA's norm counts as a constant, by design."""
    model, part, network = wired(ops, name)
    randomise(network)
    x = {layer: inputs(layer) for layer in LAYERS}
    with attached(network, [part], checkpointing=False):
        sum(model.blocks[0][layer](x[layer]).square().mean() for layer in LAYERS).backward()
    for (_, path), adapter in network.items():
        layer = path.rsplit(".", 1)[-1]
        module = model.blocks[0][layer]
        for key, parameter in adapter.named_parameters():
            direction = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
            promised = float((parameter.grad * direction).sum())
            measured = slope(module, adapter, parameter, direction, x[layer])
            assert promised == pytest.approx(measured, rel=0.02, abs=2e-4), f"{path}.{key}"


def slope(module, adapter, parameter, direction, x, step=1e-3) -> float:
    """Central difference of the loss along `direction`, through weight_delta."""
    values = []
    for sign in (1, -1):
        parameter.data += sign * step * direction
        weight = module.weight.double() + adapter.weight_delta(module.weight).double()
        moved = type(module).__new__(type(module))
        bias = None if module.bias is None else nn.Parameter(module.bias.double(), requires_grad=False)
        moved.__dict__ = {**module.__dict__, "_parameters": {"weight": nn.Parameter(weight, requires_grad=False), "bias": bias}}
        values.append(float(moved(x.double()).square().mean()))
        parameter.data -= sign * step * direction
    return (values[0] - values[1]) / (2 * step)


@pytest.mark.parametrize("name", CASES)
def test_a_file_goes_back_into_the_same_network(ops, name):
    _, _, one = wired(ops, name)
    _, _, other = wired(ops, name, seed=2)
    randomise(one)
    tensors = to_tensors(one)
    load_tensors(other, tensors)
    again = to_tensors(other)
    assert again.keys() == tensors.keys()
    for key in tensors:
        torch.testing.assert_close(again[key], tensors[key], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", [name for name in CASES if adapters.get(name.split()[0]).has_norm and "pissa" not in name])
def test_shrinking_shrinks_the_whole_change(ops, name):
    _, _, network = wired(ops, name)
    randomise(network)
    for _, adapter in network.items():
        before = adapter.weight_delta()
        assert float(adapter.norm()) == pytest.approx(float(before.norm()), rel=1e-4)
        adapter.shrink(0.3)
        torch.testing.assert_close(adapter.weight_delta(), 0.3 * before, atol=1e-6, rtol=1e-4)


def test_oft_says_where_it_would_turn_nothing():
    """Blocks of one channel have no rotation: the layer would never learn."""
    assert OFT.problem(Op("linear", 320, 4), 16, "default", None) is None
    assert "cannot split 7 output channels into blocks of 2 to 4" in OFT.problem(Op("linear", 7, 4), 4, "default", None)


def test_boft_says_which_rank_works():
    assert BOFT.problem(Op("linear", 320, 4), 8, "default", None).endswith("Set rank to at least 10.")
    assert BOFT.problem(Op("linear", 320, 4), 10, "default", None) is None
    assert "cannot split 15" in BOFT.problem(Op("linear", 15, 4), 8, "default", None)
