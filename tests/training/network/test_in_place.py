"""Gradients of blocks that write into their activations, against central differences in fp64."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from pack.training.network.checkpointing import checkpointed
from pack.training.network.in_place import followed, harmless, lazy_clone, storage_of

WEIGHT = torch.randn(8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 0.5


def norm(x):
    return F.layer_norm(x, (8,))


def residual(x):
    """CLIP, T5, FLUX: the norm has kept what the residual is added to."""
    y = norm(x) @ WEIGHT
    x += y
    return norm(x).exp()


def fused(x):
    """Lightricks, MiniMax, Qwen-Image 2.1."""
    h = norm(x)
    h.addcmul_(h, torch.sin(x)).add_(x)
    x.addcmul_(h @ WEIGHT, h)
    return x


def gated(x):
    """Qwen-Image 2.1: the residual's parts (caption, picture), each with a gate of its own, through slices; twice a block."""
    for gate in (WEIGHT[0], WEIGHT[1]):
        y = norm(x) @ WEIGHT
        x[1:].addcmul_(y[1:], gate)
        x[:1].addcmul_(y[:1], gate)
    return x


def slices(x):
    """Krea 2: a write into a part, which other views see."""
    h = torch.exp(x @ WEIGHT * 0.3)
    whole = h.view(4, 4)
    h[:, :4].mul_(1 + h[:, 4:]).add_(x[:, :4])
    h[:, 4:] = h[:, 4:].sin()
    return whole.square().view(2, 8) + h.exp()


def pieces(x):
    """Autograd lets nobody write into what chunk gives."""
    first, second = torch.sin(x @ WEIGHT).chunk(2, dim=-1)
    first *= second
    first.add_(1)
    return torch.cat([first.exp(), second], -1)


def into_out(x):
    """HiDream-O1's text model: its block's result goes where its input lay."""
    y = norm(x) @ WEIGHT
    return torch.add(x, y.sin(), out=x).square()


def activation(x):
    return F.silu(x @ WEIGHT, inplace=True).mul_(x)


BLOCKS = [residual, fused, gated, slices, pieces, into_out, activation]


def difference(function, x: torch.Tensor, *, step: float = 1e-6) -> float:
    """Relative difference of the gradient from central differences, in three directions."""
    (gradient,) = torch.autograd.grad(function(x), x)
    errors = []
    for seed in range(3):
        along = torch.randn(x.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            expected = (function(x + step * along) - function(x - step * along)) / (2 * step)
        errors.append(float(((gradient * along).sum() - expected).abs() / expected.abs()))
    return max(errors)


def loss_of(block):
    """A value before and after the block, so that what comes in is an activation that others keep too."""

    def loss(x):
        before = torch.sin(x)
        return (block(before * 1) * torch.cos(x)).sum()

    return loss


@pytest.fixture
def x():
    return torch.randn(2, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("recompute", [False, True])
def test_gradients_are_right(block, recompute, x):
    with harmless():
        assert difference(followed(loss_of(checkpointed(block) if recompute else block)), x) < 1e-6


@pytest.mark.parametrize("block", [residual, fused, gated])
def test_they_are_silently_wrong_without(block, x):
    """In plain recomputed blocks, as PyTorch's own checkpoint leaves them: what the guard is for."""
    from torch.utils.checkpoint import checkpoint

    assert difference(loss_of(lambda x: checkpoint(lambda x: block(x * 1), x, use_reentrant=False)), x) > 1e-2


@pytest.mark.parametrize("block", [residual, fused, into_out])
def test_recomputed_and_not_is_the_same(block, x):
    with harmless():
        kept, recomputed = (torch.autograd.grad(followed(loss_of(f))(x), x)[0] for f in (block, checkpointed(block)))
    assert torch.equal(kept, recomputed)


def test_a_block_s_input_may_be_written_into_afterwards(x):
    """The caller uses the memory again: what the block starts from in backward must be what it was."""

    def loss(x):
        h = torch.sin(x)
        y = checkpointed(lambda h: norm(h) @ WEIGHT)(h)
        h.mul_(0)
        return y.square().sum() + h.sum()

    with harmless():
        assert difference(loss, x) < 1e-6


def test_out_of_several_results(x):
    def loss(x):
        values, places = torch.empty(2, dtype=x.dtype), torch.empty(2, dtype=torch.long)
        torch.max(x.sin(), dim=1, out=(values, places))
        return (values * 2).sum()

    with harmless():
        assert difference(followed(loss), x) < 1e-6


@pytest.mark.parametrize("recompute", [False, True])
def test_memory_of_others_is_cloned_at_once_or_left(recompute, x):
    """numpy's: no lazy clone can be made of it."""
    constant = torch.from_numpy(np.full((2, 8), 0.7))

    def block(h):
        h = h * constant
        h.mul_(norm(h)).add_(constant)
        return h

    with harmless():
        assert difference(loss_of(checkpointed(block) if recompute else block), x) < 1e-6
        mine = lazy_clone(torch.from_numpy(np.ones(3)).requires_grad_())
        assert mine.tolist() == [1, 1, 1] and lazy_clone(constant) is constant


def test_another_error_is_the_model_s_own():
    calls = []

    def broken(x):
        calls.append(x)
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes"):
        followed(broken)(torch.ones(1))
    assert len(calls) == 1


def test_constants_stay_where_they_lie():
    weight = nn.Parameter(torch.randn(8, 8), requires_grad=False)
    before = weight.untyped_storage().data_ptr()
    with harmless({storage_of(weight)}):
        y = F.linear(torch.randn(2, 8, requires_grad=True), weight)
        assert not torch._C._is_cow_tensor(weight)
        y.sum().backward()
    assert weight.untyped_storage().data_ptr() == before


def test_nothing_is_copied_where_nobody_writes():
    with harmless():
        h = torch.randn(4, 8, requires_grad=True) * 1
        h.exp().sum()
        assert torch._C._is_cow_tensor(h.exp())
    clone = lazy_clone(h.detach())
    assert torch._C._data_address(clone) == torch._C._data_address(h)


@pytest.fixture
def unseen(monkeypatch):
    """A device whose operations write to shared memory unseen, as Apple's do: this one, where nothing may be shared then."""
    monkeypatch.setattr("pack.training.network.in_place.copies_on_write", lambda device: False)
    monkeypatch.setattr(torch, "_lazy_clone", None)


@pytest.mark.parametrize("block", [residual, fused, gated])
@pytest.mark.parametrize("recompute", [False, True])
def test_gradients_are_right_where_writes_are_not_seen(unseen, block, recompute, x):
    with harmless():
        assert difference(followed(loss_of(checkpointed(block) if recompute else block)), x) < 1e-6


@pytest.mark.parametrize("wrapped", [lambda block: block, checkpointed], ids=["kept", "recomputed"])
def test_nor_are_constants_copied_there(unseen, wrapped, monkeypatch):
    weight, copied, clone = nn.Parameter(torch.randn(8, 8), requires_grad=False), [], torch.Tensor.clone
    monkeypatch.setattr(torch.Tensor, "clone", lambda tensor: copied.append(tensor.data_ptr()) or clone(tensor))
    with harmless({storage_of(weight)}):
        wrapped(lambda x: F.linear(x, weight).exp())(torch.randn(2, 8, requires_grad=True)).sum().backward()
    assert copied and weight.data_ptr() not in copied


def test_outside_everything_is_as_ever():
    x = torch.randn(3, requires_grad=True)
    y = x.exp()
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
