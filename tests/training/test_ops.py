"""Which modules can carry an adapter."""

import pytest
import torch
from torch import nn

from pack.tests.training.network.models import Tower
from pack.training.ops import Op, named_ops, op_of


def test_a_linear():
    assert op_of(nn.Linear(3, 5)) == Op("linear", out_features=5, in_features=3)
    assert op_of(nn.Linear(3, 5)).weight_shape == (5, 3)


@pytest.mark.parametrize(
    ("module", "kind", "shape", "pointwise"),
    [
        (nn.Conv1d(2, 3, 5, stride=2, padding=2), "conv1d", (3, 2, 5), False),
        (nn.Conv2d(2, 3, (3, 1), padding=(1, 0), dilation=(2, 1)), "conv2d", (3, 2, 3, 1), False),
        (nn.Conv2d(2, 3, 1), "conv2d", (3, 2, 1, 1), True),
        (nn.Conv3d(2, 3, (1, 2, 2), stride=(1, 2, 2)), "conv3d", (3, 2, 1, 2, 2), False),
    ],
)
def test_a_convolution(module, kind, shape, pointwise):
    op = op_of(module)
    assert (op.kind, op.weight_shape, op.is_pointwise, op.is_linear) == (kind, shape, pointwise, False)
    assert (op.stride, op.padding, op.dilation) == (module.stride, module.padding, module.dilation)


@pytest.mark.parametrize(
    "module",
    [
        nn.Embedding(4, 3), nn.LayerNorm(3), nn.GroupNorm(1, 3), nn.Dropout(), nn.ConvTranspose2d(2, 3, 2),
        nn.Conv2d(4, 4, 3, groups=2), nn.Conv2d(2, 2, 3, padding="same"), nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect"),
    ],
    ids=lambda module: type(module).__name__,
)
def test_what_cannot_carry_one(module):
    assert op_of(module) is None


def test_a_quantised_layer_is_judged_by_what_it_has():
    """ComfyUI's fp8 layers are plain modules with in_features, out_features and a weight."""
    layer = nn.Module()
    layer.in_features, layer.out_features = 3, 5
    layer.weight = nn.Parameter(torch.zeros(5, 3).to(torch.float8_e4m3fn), requires_grad=False)
    assert op_of(layer) == Op("linear", 5, 3)


def test_names_are_paths_in_the_model_s_order():
    assert [name for name, _, _ in named_ops(Tower(depth=1))] == [
        "proj_in", "layers.0.attn1.to_q", "layers.0.attn1.to_out.0", "layers.0.ff.0", "layers.0.ff.2", "proj_out",
    ]
    assert list(named_ops(nn.Linear(2, 2))) == []


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (nn.Linear(3, 4), (2, 5, 3)), (nn.Conv1d(2, 3, 5, stride=2, padding=1), (2, 2, 9)),
        (nn.Conv2d(2, 3, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2)), (2, 2, 5, 6)),
        (nn.Conv3d(2, 2, (1, 3, 3), padding=(0, 1, 1)), (1, 2, 2, 5, 4)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_it_computes_as_its_module_does(module, shape):
    """Without the bias; its gradients are autograd's, and what is not asked for is not computed."""
    op, x = op_of(module), torch.randn(shape, requires_grad=True)
    y = op.run(x, module.weight)
    assert torch.allclose(y + op.per_channel(module.bias), module(x), atol=1e-6)
    assert y.shape[op.channel_axis] == op.out_features and x.shape[op.channel_axis] == op.in_features
    grad = torch.randn(y.shape)
    expected = torch.autograd.grad(y, (x, module.weight), grad)
    both = op.gradients(grad, x, module.weight, of_x=True, of_weight=True)
    assert all(torch.allclose(one, other, atol=1e-5) for one, other in zip(both, expected, strict=True))
    assert op.gradients(grad, x, module.weight, of_x=False, of_weight=True)[0] is None
    assert op.gradients(grad, x, module.weight, of_x=True, of_weight=False)[1] is None


def test_mixing_channels_keeps_every_place():
    """(3, 2) on two channels: the same numbers for a linear and for a 1x1 convolution of the same values."""
    weight, x = torch.randn(3, 2), torch.randn(4, 5, 2)
    flat = Op("linear", 9, 2).mix(x, weight)
    conv = Op("conv1d", 9, 2, (3,), (2,), (1,), (1,))
    assert torch.allclose(conv.mix(x.movedim(-1, 1), weight.view(3, 2, *conv.ones)), flat.movedim(-1, 1), atol=1e-6)
