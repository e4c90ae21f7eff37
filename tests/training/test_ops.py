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
