"""Dropout in kohya's three forms; its masks are a function of the micro-batch's seed and the module."""

import pytest
import torch
from torch.nn import functional as F

from pack.tests.training.network.models import Convolutions, Tower, part_of, randomise
from pack.training.network.attach import attached
from pack.training.network.build import build_network
from pack.training.network.kinds.dropout import Draws, Dropout
from pack.training.network.spec import NetworkSpec, TargetSpec


def dropout(seed=1, key="module", **probabilities) -> Dropout:
    draws = Draws()
    draws.begin(seed)
    return Dropout(key, draws, **probabilities)


def test_hidden_values_one_by_one_scaled_up():
    kept = dropout(hidden=0.25).apply(torch.ones(100, 40, 10), -1)
    assert kept.unique().tolist() == pytest.approx([0.0, 4 / 3])
    assert float((kept == 0).float().mean()) == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize(("shape", "axis"), [((3, 5, 400), -1), ((3, 400), -1), ((3, 400, 2, 5), 1), ((3, 2, 5, 400), -1)])
def test_ranks_are_dropped_a_sample(shape, axis):
    """A rank is gone or kept (scaled by 1 / (1 - p)) in all places of a sample; samples differ."""
    kept = (
        dropout(rank=0.5).apply(torch.ones(shape), axis).movedim(axis, 1).flatten(2) if len(shape) > 2
        else dropout(rank=0.5).apply(torch.ones(shape), axis)[:, :, None]
    )
    assert set(kept.unique().tolist()) == {0.0, 2.0}
    assert torch.equal(kept, kept[:, :, :1].expand_as(kept))
    assert float((kept[:, :, 0] == 0).float().mean()) == pytest.approx(0.5, abs=0.05)
    assert not torch.equal(kept[0], kept[1])


def test_modules_are_skipped_as_often_as_asked():
    draws = Draws([str(i) for i in range(50)], module=0.3)
    counts = []
    for seed in range(200):
        draws.begin(seed)
        counts.append(sum(Dropout(str(i), draws).skips() for i in range(50)))
    assert sum(counts) / (200 * 50) == pytest.approx(0.3, abs=0.01)
    assert len(set(counts)) > 5


def test_never_all_modules_at_once():
    draws = Draws(["a", "b"], module=0.95)
    left = set()
    for seed in range(50):
        draws.begin(seed)
        left |= {"a", "b"} - draws.skipped
        assert len(draws.skipped) < 2
    assert left == {"a", "b"}


def test_a_function_of_seed_module_and_branch():
    ones = torch.ones(4, 50)
    mask = lambda branch="", **options: dropout(hidden=0.5, **options).apply(ones, -1, branch)  # noqa: E731
    torch.manual_seed(1)
    first = mask()
    torch.manual_seed(2)
    assert torch.equal(mask(), first)
    assert not torch.equal(mask(seed=2), first)
    assert not torch.equal(mask(key="other"), first)
    assert not torch.equal(mask(branch="b"), first)


def test_off_without_gradient():
    with torch.no_grad():
        on = dropout(hidden=0.9, rank=0.9)
        assert torch.equal(on.apply(torch.ones(2, 8), -1), torch.ones(2, 8))


def test_the_loop_must_say_where_it_is():
    with pytest.raises(AssertionError, match="begin"):
        Dropout("module", Draws(), hidden=0.5).apply(torch.ones(2, 2), -1)


def wired(model, **settings):
    part = part_of(model)
    spec = NetworkSpec(rank=4, alpha=2.0, targets=TargetSpec(preset="all linear + convolution"), **settings)
    network = build_network(spec, [part], seed=0)
    randomise(network)
    return part, network


def gradients(model, part, network, x, seed, **options):
    network.begin(seed)
    for _, parameter in network.named_parameters():
        parameter.grad = None
    with attached(network, [part], **options):
        loss = model(x).square().mean()
        loss.backward()
    return torch.cat([torch.zeros(p.numel()) if p.grad is None else p.grad.flatten() for _, p in network.named_parameters()])


@pytest.mark.parametrize("settings", [{"dropout": 0.3}, {"rank_dropout": 0.3}, {"module_dropout": 0.4},
                                      {"algorithm": "dylora", "dropout": 0.2}, {"algorithm": "glora", "rank_dropout": 0.3}])
def test_a_recomputed_block_sees_the_same_masks(settings):
    model = Tower()
    part, network = wired(model, **settings)
    x = torch.randn(2, 5, 4)
    plain = gradients(model, part, network, x, 5, checkpointing=False)
    assert torch.equal(gradients(model, part, network, x, 5, checkpointing=True), plain)
    assert not torch.equal(gradients(model, part, network, x, 6, checkpointing=False), plain)


def test_the_forward_by_hand():
    """y = W x + s up(mask * down(x)) with the module's own mask; previews (no gradient) see no mask."""
    model = Convolutions()
    part, network = wired(model, dropout=0.5)
    network.begin(3)
    adapter = network.adapters_of("diffusion_model")["blocks.0.linear"]
    layer, x = model.blocks[0]["linear"], torch.randn(2, 6)
    hidden = F.linear(x, adapter.down)
    mask = adapter.dropout.apply(torch.ones_like(hidden), -1)
    assert set(mask.unique().tolist()) == {0.0, 2.0}
    with attached(network, [part], checkpointing=False):
        assert torch.allclose(layer(x), F.linear(x, layer.weight, layer.bias) + 0.5 * F.linear(hidden * mask, adapter.up), atol=1e-6)
        with torch.no_grad():
            expected = F.linear(x, layer.weight + adapter.weight_delta(), layer.bias)
            assert torch.allclose(layer(x), expected, atol=1e-5)


def test_a_skipped_module_gives_the_base_s_output():
    model = Tower(depth=1)
    part, network = wired(model, module_dropout=0.5)
    network.begin(1)
    x = torch.randn(1, 2, 4)
    skipped = {path for path, adapter in network.adapters_of("diffusion_model").items() if adapter.dropout.skips()}
    assert 0 < len(skipped) < len(network)
    with attached(network, [part], checkpointing=False):
        same = torch.equal(model.proj_in(x), F.linear(x, model.proj_in.weight, model.proj_in.bias))
    assert same == ("proj_in" in skipped)
