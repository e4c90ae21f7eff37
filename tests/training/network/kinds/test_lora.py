"""LoRA and its relatives on one op, against numbers worked out by hand."""

import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from pack.training.network.fitting import kind_of
from pack.training.network.kinds.adapter import Base
from pack.training.network.kinds.menu import adapters
from pack.training.network.spec import NetworkSpec
from pack.training.ops import Op

LINEAR = Op("linear", 2, 3)
CONV = Op("conv2d", 2, 3, (3, 3), (2, 2), (1, 1), (1, 1))


def make(algorithm: str, op: Op, rank: int = 1, alpha: float = 1.0, seed: int = 0, **options):
    return adapters.get(algorithm)(op, rank, alpha, generator=torch.Generator().manual_seed(seed), **options)


def base_of(weight, bias=None, op: Op = LINEAR) -> Base:
    if op.is_linear:
        run = lambda x: F.linear(x, weight, bias)  # noqa: E731
    else:
        run = lambda x: F.conv2d(x, weight, bias, op.stride, op.padding, op.dilation)  # noqa: E731
    return Base(run, lambda dtype: weight.to(dtype), lambda dtype: bias)


def test_forward_by_hand():
    """W = 0, down = (1, 2, 3), up = (1, -1), alpha 1, rank 1: x = (1, 1, 1) -> 6 * (1, -1)."""
    lora = make("lora", LINEAR)
    lora.down.data = torch.tensor([[1.0, 2.0, 3.0]])
    lora.up.data = torch.tensor([[1.0], [-1.0]])
    y = lora(torch.ones(1, 3), base_of(torch.zeros(2, 3), torch.tensor([10.0, 20.0])))
    assert y.tolist() == [[16.0, 14.0]]
    assert lora.weight_delta().tolist() == [[1.0, 2.0, 3.0], [-1.0, -2.0, -3.0]]
    lora.strength = 0.5
    assert lora(torch.ones(1, 3), base_of(torch.zeros(2, 3))).tolist() == [[3.0, -3.0]]
    lora.enabled = False
    assert lora(torch.ones(1, 3), base_of(torch.zeros(2, 3))).tolist() == [[0.0, 0.0]]


def test_what_it_gives_may_be_written_into():
    """Models do, and autograd lets nobody write into a view that a node of the graph gives: the gradient is that of two plain products."""
    lora, weight = make("lora", LINEAR), torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    lora.up.data = torch.tensor([[1.0], [-1.0]])
    base = replace(base_of(weight), gradient=lambda grad, shape: grad @ weight)
    x, again = (torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(1), requires_grad=True) for _ in range(2))
    y = lora(x, base)
    y += 1
    y.square().sum().backward()
    plain = F.linear(again, weight) + F.linear(F.linear(again, lora.down.detach()), lora.up.detach()) + 1
    plain.square().sum().backward()
    assert torch.allclose(x.grad, again.grad, rtol=1e-5)


def test_alpha_over_rank():
    lora = make("lora", LINEAR, rank=4, alpha=2.0)
    lora.down.data.fill_(1.0)
    lora.up.data.fill_(1.0)
    assert lora.weight_delta().tolist() == [[2.0] * 3] * 2  # 4 ranks of 1 * 2 / 4
    assert lora.file_tensors()["alpha"] == 2.0


def test_start_is_no_change_and_a_function_of_the_seed():
    one, same, other = make("lora", LINEAR, rank=2), make("lora", LINEAR, rank=2), make("lora", LINEAR, rank=2, seed=1)
    assert torch.equal(one.down, same.down) and not torch.equal(one.down, other.down)
    assert not one.up.any()
    assert one.down.abs().max() <= 1 / math.sqrt(3)
    assert make("lora", CONV, rank=64).down.abs().max() <= 1 / math.sqrt(27)


@pytest.mark.parametrize("op", [LINEAR, CONV, Op("conv1d", 4, 2, (5,), (1,), (2,), (1,)),
                                Op("conv3d", 2, 2, (1, 3, 3), (1, 1, 1), (0, 1, 1), (1, 1, 1))])
def test_shapes_in_the_file(op):
    tensors = make("lora", op, rank=4).file_tensors()
    assert tensors["lora_down.weight"].shape == (4, op.in_features, *op.kernel)
    assert tensors["lora_up.weight"].shape == (op.out_features, 4, *[1] * len(op.kernel))
    assert tensors["alpha"].shape == ()


def test_rslora_writes_the_alpha_that_readers_need():
    """alpha 8, rank 16: scale 8 / 4 = 2, and a reader's alpha / 16 = 2 needs alpha 32."""
    lora = make("rslora", LINEAR, rank=16, alpha=8.0)
    assert lora.scale == 2.0
    assert lora.file_tensors()["alpha"] == 32.0


def test_lora_fa_trains_up_only():
    lora = make("lora_fa", LINEAR, rank=2)
    assert [name for name, _ in lora.named_parameters()] == ["up"]
    assert set(lora.state_dict()) == {"down", "up"}
    wide = make("lora_fa", Op("linear", 4, 992), rank=8)
    assert wide.down.std() == pytest.approx(math.sqrt(2 / 1000), rel=0.03)
    lora.down.fill_(1.0), lora.up.data.fill_(1.0)
    lora.shrink(0.25)
    assert lora.up[0, 0] == 0.25 and lora.down[0, 0] == 1.0


def test_orthogonal_starts_as_no_change_with_both_sides_alive():
    lora = make("lora", Op("linear", 32, 48), rank=8, init="orthogonal")
    assert lora.down.abs().mean() > 0.01 and lora.up.abs().mean() > 0.01
    assert lora.weight_delta().abs().max() < 1e-7
    assert torch.linalg.matrix_rank(lora.down.detach()) == 4


def test_pissa_takes_the_largest_singular_directions():
    """W = diag(3, 2): rank 1 takes 3, whatever the scale; what was taken is subtracted, so the start is no change."""
    weight = torch.tensor([[3.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
    lora = make("lora", LINEAR, rank=1, alpha=0.5, init="pissa")
    lora.prepare(weight)
    assert torch.allclose(lora.scale * lora.up @ lora.down, torch.tensor([[3.0, 0, 0], [0, 0, 0]]), atol=1e-6)
    assert lora.weight_delta().abs().max() < 1e-5
    x = torch.randn(2, 3)
    assert torch.allclose(lora(x, base_of(weight)), F.linear(x, weight), atol=1e-6)


def test_pissa_s_file_is_a_plain_lora_of_twice_the_rank():
    lora = make("lora", LINEAR, rank=1, alpha=0.5, init="pissa")
    lora.prepare(torch.randn(2, 3, generator=torch.Generator().manual_seed(1)))
    lora.up.data += 1.0
    tensors = lora.file_tensors()
    assert tensors["lora_down.weight"].shape == (2, 3)
    read = tensors["lora_up.weight"] @ tensors["lora_down.weight"] * float(tensors["alpha"]) / 2
    assert torch.allclose(read, lora.weight_delta(), atol=1e-6)
    assert torch.allclose(read, 0.5 * torch.ones(2, 1) @ lora.down.detach(), atol=1e-6)


def test_pissa_of_a_large_weight_is_approximate_but_exactly_subtracted():
    weight = torch.randn(80, 96, generator=torch.Generator().manual_seed(2))
    lora = make("lora", Op("linear", 80, 96), rank=4, alpha=4.0, init="pissa")
    lora.prepare(weight)
    taken = torch.linalg.svdvals((lora.up @ lora.down).detach())[:4]
    assert torch.allclose(taken, torch.linalg.svdvals(weight)[:4], rtol=0.01)
    assert lora.weight_delta().abs().max() < 1e-5
    again = make("lora", Op("linear", 80, 96), rank=4, alpha=4.0, init="pissa")
    torch.manual_seed(99)
    again.prepare(weight)
    assert torch.equal(again.down, lora.down)


def test_dora_by_hand():
    """W = ((3, 0, 1), (4, 1, 0)): column norms 5, 1, 1. Without a change of direction the start is no change; doubling
    the first magnitude doubles the first column."""
    weight = torch.tensor([[3.0, 0.0, 1.0], [4.0, 1.0, 0.0]])
    dora = make("dora", LINEAR)
    dora.prepare(weight)
    assert torch.allclose(dora.magnitude, torch.tensor([5.0, 1.0, 1.0]))
    assert dora.weight_delta(weight).abs().max() < 1e-6
    dora.magnitude.data[0] = 10.0
    assert torch.allclose(weight + dora.weight_delta(weight), torch.tensor([[6.0, 0, 1], [8.0, 1, 0]]), atol=1e-5)
    assert dora.file_tensors()["dora_scale"].shape == (1, 3)


@pytest.mark.parametrize("op", [LINEAR, CONV])
def test_dora_s_norm_equals_the_norm_of_the_whole_matrix(op):
    generator = torch.Generator().manual_seed(3)
    weight = torch.randn(op.weight_shape, generator=generator)
    dora = make("dora", op, rank=2, alpha=3.0)
    dora.prepare(weight)
    dora.up.data.normal_(generator=generator)
    moved = weight + (dora.up.flatten(1) @ dora.down.flatten(1) * 1.5).view(op.weight_shape)
    expected = moved.transpose(0, 1).flatten(1).norm(dim=1)
    assert torch.allclose(dora._norm(weight), expected, rtol=1e-5)


def test_norm_and_shrink():
    """down = (1, 2, 2), up = (3, 4): ||up down|| = 5 * 3; alpha 2: 30. Shrinking to a third leaves 10."""
    lora = make("lora", LINEAR, alpha=2.0)
    lora.down.data = torch.tensor([[1.0, 2.0, 2.0]])
    lora.up.data = torch.tensor([[3.0], [4.0]])
    assert lora.norm() == pytest.approx(30.0)
    lora.shrink(1 / 3)
    assert lora.norm() == pytest.approx(10.0)
    assert float(lora.up.detach()[0, 0]) == pytest.approx(3 / math.sqrt(3))


@pytest.mark.parametrize("algorithm", ["lora", "rslora", "lora_fa", "dora", "dylora"])
def test_own_tensors_read_back_bit_for_bit(algorithm):
    one, other = make(algorithm, CONV, rank=4, alpha=3.0), make(algorithm, CONV, rank=4, alpha=3.0, seed=5)
    one.prepare(torch.randn(CONV.weight_shape))
    one.up.data.normal_()
    other.load_file_tensors(one.file_tensors())
    for name, tensor in one.file_tensors().items():
        assert torch.equal(other.file_tensors()[name], tensor), name


def test_a_smaller_lora_fits_into_a_larger_one():
    small, large = make("lora", LINEAR, rank=1, alpha=3.0), make("lora", LINEAR, rank=2, alpha=1.0, seed=4)
    small.up.data.fill_(1.0)
    large.up.data.fill_(9.0)
    large.load_file_tensors(small.file_tensors())
    assert torch.allclose(large.weight_delta(), small.weight_delta(), atol=1e-6)
    assert large.alpha == 1.0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"algorithm": "lorra"}, "Did you mean 'lora'"),
        ({"algorithm": "loha", "init": "pissa"}, "init 'pissa' does not go with algorithm 'loha'"),
        ({"algorithm": "lokr", "dropout": 0.1}, "dropout has no effect on 'lokr'"),
        ({"algorithm": "oft", "scale_weight_norms": 1.0}, "scale_weight_norms cannot bound 'oft'"),
        ({"init": "pissa", "scale_weight_norms": 1.0}, "PiSSA"),
    ],
)
def test_choices_that_do_not_fit(settings, message):
    from pack.training.errors import SettingsError

    with pytest.raises(SettingsError, match=message):
        kind_of(NetworkSpec(**settings))


def test_dora_s_gradients_are_autograd_s_with_the_norm_held():
    """Liu et al., section 4.3: the norm counts as a constant."""
    generator = torch.Generator().manual_seed(8)
    weight, x = torch.randn(2, 3, generator=generator), torch.randn(5, 3, generator=generator)
    dora = make("dora", LINEAR, rank=2, alpha=3.0)
    dora.prepare(weight)
    dora.up.data.normal_(generator=generator), dora.magnitude.data.normal_(generator=generator)
    dora(x, base_of(weight, torch.ones(2))).square().sum().backward()
    down, up, magnitude = (p.detach().clone().requires_grad_() for p in (dora.down, dora.up, dora.magnitude))
    direction = weight + 1.5 * up @ down
    F.linear(x, magnitude * direction / direction.norm(dim=0).detach(), torch.ones(2)).square().sum().backward()
    for mine, theirs in ((dora.down, down), (dora.up, up), (dora.magnitude, magnitude)):
        assert torch.allclose(mine.grad, theirs.grad, rtol=1e-4)


def test_dylora_trains_the_last_unit_at_the_scale_of_its_rank():
    """rank 4, unit 2: at b = 2 the scale is alpha / 2 and ranks 0-1 learn, at b = 4 it is alpha / 4 and ranks 2-3 learn."""
    from pack.training.network.kinds.dropout import Draws, Dropout
    from pack.training.network.kinds.dylora import DyLoRAOptions

    lora = make("dylora", LINEAR, rank=4, alpha=2.0, options=DyLoRAOptions(unit=2))
    lora.down.data.fill_(1.0), lora.up.data.fill_(1.0)
    draws = Draws()
    lora.dropout = Dropout("module", draws)
    seen = {}
    for seed in range(10):
        draws.begin(seed)
        lora.down.grad = lora.up.grad = None
        y = lora(torch.ones(1, 3), base_of(torch.zeros(2, 3)))
        y.sum().backward()
        learning = tuple(lora.up.grad.abs().sum(0).nonzero().flatten().tolist())
        assert learning == tuple(lora.down.grad.abs().sum(1).nonzero().flatten().tolist())
        seen[learning] = y.detach()[0, 0].item()
    assert seen == {(0, 1): 3 * 2 * 2.0 / 2, (2, 3): 3 * 4 * 2.0 / 4}
    with torch.no_grad():
        assert lora(torch.ones(1, 3), base_of(torch.zeros(2, 3)))[0, 0] == 6.0
