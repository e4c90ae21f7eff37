"""Norms, activation functions and gates are computed again in backward: the same gradients, and less is kept."""

from contextlib import contextmanager

import pytest
import torch
from torch.nn import functional as F

from pack.tests.training.memory.fakes import LateLane
from pack.tests.training.network.test_in_place import BLOCKS, difference, loss_of
from pack.training.memory.activations import in_main_memory
from pack.training.memory.cheaply import cheaply
from pack.training.network.in_place import followed, harmless, lazy_clone, storage_of

WIDTH = 16
WEIGHTS = torch.randn(4, WIDTH, WIDTH, generator=torch.Generator().manual_seed(2))


def attention_block(x, down):
    """A norm whose result three adapters keep."""
    h = F.layer_norm(x, (WIDTH,))
    return x + F.linear(F.linear(h, down), WEIGHTS[0]) * F.linear(F.linear(h, down), WEIGHTS[1]) + F.linear(F.linear(h, down), WEIGHTS[2])


def gated(x, down):
    """GEGLU: the gate, and the product that an adapter keeps."""
    value, gate = F.linear(F.linear(x, down), torch.cat(list(WEIGHTS[:2]))).chunk(2, dim=-1)
    return x + F.linear(value * F.gelu(gate), down)


def modulated(x, down):
    """FLUX: a norm, scaled and shifted by what the step says."""
    scale, shift = down.sum(0), down.mean(0)
    return F.linear((1 + scale) * F.layer_norm(x, (WIDTH,)) + shift, down)


def convolution(x, down):
    """A ResBlock: a norm, and an activation function on it."""
    h = F.silu(F.group_norm(x.movedim(-1, 1), 4))
    return x + F.conv1d(h, down[:, :, None]).movedim(1, -1)


MODELS = [attention_block, gated, modulated, convolution]


def step(model, keeping):
    """The gradients, and the bytes that are kept between forward and backward of what is not a weight."""
    x = torch.randn(3, 5, WIDTH, generator=torch.Generator().manual_seed(0))
    down = torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(1)).requires_grad_()
    constant = {storage_of(tensor) for tensor in (down, WEIGHTS, x)}
    kept: dict[int, torch.UntypedStorage] = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage._cdata in constant:
            return tensor
        kept[storage._cdata] = storage
        return lazy_clone(tensor)

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        with keeping():
            loss = model(model(F.linear(x, down), down), down).square().sum()
        size = sum(storage.nbytes() for storage in kept.values())
        loss.backward()
    return down.grad, size


@pytest.mark.parametrize("model", MODELS)
def test_the_same_gradients_with_less_kept(model):
    plain, much = step(model, torch.enable_grad)
    found, less = step(model, lambda: cheaply(least=1))
    assert torch.equal(found, plain) and less < much


def test_what_is_kept_less_is_the_results():
    """Twice three results of 3 x 5 x 16 numbers: of a norm; of a gate and a product."""
    size = 3 * 5 * WIDTH * 4
    saved = {model.__name__: (step(model, torch.enable_grad)[1] - step(model, lambda: cheaply(least=1))[1]) / size for model in MODELS[:2]}
    assert saved == {"attention_block": 2, "gated": 4}


@pytest.mark.parametrize("block", BLOCKS)
def test_a_result_that_was_written_into_has_no_recipe(block):
    x = torch.randn(2, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()

    def loss(x):
        with cheaply(least=1):
            return followed(loss_of(block))(x)

    with harmless():
        assert difference(loss, x) < 1e-6


def written(x, how):
    h = F.silu(x * 2)
    before = h.sin()  # keeps h as it is
    how(h)
    return (before + h.cos()).sum()  # keeps h as it became


@pytest.mark.parametrize("how", [
    lambda h: h.mul_(3), lambda h: h[:, :4].zero_(), lambda h: lazy_clone(h).mul_(3), lambda h: h.view(-1).add_(1),
    lambda h: F.silu(h, inplace=True),
])  # fmt: skip
def test_before_and_after_a_write(how):
    x = torch.randn(3, 8, generator=torch.Generator().manual_seed(0), requires_grad=True)
    with harmless():
        (plain,) = torch.autograd.grad(written(x, how), x)
        with cheaply(least=1):
            loss = written(x, how)
        (found,) = torch.autograd.grad(loss, x)
    assert torch.equal(found, plain)


def test_a_new_tensor_in_the_memory_of_an_old_result_has_none():
    """The allocator gives memory that was let go to the next who asks."""
    x = torch.randn(64, 64, generator=torch.Generator().manual_seed(0), requires_grad=True)

    def forward():
        total = x.sum()
        for number in range(8):
            F.silu(x * number)  # nobody keeps it
            total = total + torch.sin(torch.cos(x * number)).sum()
        return total

    with harmless():
        (plain,) = torch.autograd.grad(forward(), x)
        with cheaply(least=1):
            loss = forward()
        (found,) = torch.autograd.grad(loss, x)
    assert torch.equal(found, plain)


@pytest.mark.parametrize("model", MODELS)
def test_together_with_main_memory(model):
    lane = LateLane()

    @contextmanager
    def keeping():
        with in_main_memory(lane, least=1, window=0), cheaply(least=1):
            yield

    assert torch.equal(step(model, keeping)[0], step(model, torch.enable_grad)[0]) and lane.copied


def test_without_gradient_there_are_no_recipes():
    with cheaply(least=1), torch.no_grad():
        assert torch.equal(F.silu(torch.ones(3)), F.silu(torch.ones(3)))
