"""The side branch on a module's forward, with and without recomputation, and that it comes off again."""

from functools import partial

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from pack.tests.training.network.models import Cast, CastConv, CastWeights, Convolutions, PlainWeights, Tower, part_of, randomise
from pack.training.network.attach import attached
from pack.training.network.build import build_network, prepare
from pack.training.network.kinds.menu import ALGORITHMS
from pack.training.network.spec import NetworkSpec, TargetSpec

EVERYTHING = TargetSpec(preset="all linear + convolution")


def wired(model, weights=None, **settings):
    part = part_of(model, weights=weights)
    network = build_network(NetworkSpec(**{"rank": 2, "alpha": 1.0, "targets": EVERYTHING, **settings}), [part], seed=1)
    randomise(network)
    return part, network


def merged(model, network):
    """The same model with every change added to its weight."""
    with torch.no_grad():
        for (_, path), adapter in network.items():
            model.get_submodule(path).weight += adapter.weight_delta()
    return model


@pytest.mark.parametrize(("make", "shape"), [(Tower, (2, 5, 4)), (Convolutions, (2, 3, 9, 8))])
def test_attached_equals_merged(make, shape):
    model = make()
    part, network = wired(model)
    x = torch.randn(shape)
    before = model(x)
    with attached(network, [part], checkpointing=False):
        changed = model(x)
    assert torch.equal(model(x), before)
    assert torch.allclose(changed, merged(model, network)(x), atol=1e-5)
    assert not torch.allclose(changed, before, atol=1e-2)


def test_the_same_bits_with_gradients_and_without():
    """Of what has an adapter, and of what has none, where the stored weight is multiplied by itself: preservation's teacher is asked
    without, and what it says begins as what is learned."""
    model = Tower(width=64, linear=Cast)
    part = part_of(model, weights=CastsNothing())
    network = build_network(NetworkSpec(rank=2, targets=TargetSpec(preset="attention")), [part], seed=1)
    x = torch.randn(2, 5, 4, requires_grad=True)
    with attached(network, [part], checkpointing=False):
        learned = model(x)
        with torch.no_grad(), network.disabled():
            assert torch.equal(model(x), learned)


def gradients(model, part, network, x, **options) -> list[torch.Tensor]:
    for _, parameter in network.named_parameters():
        parameter.grad = None
    with attached(network, [part], **options):
        model(x).square().mean().backward()
    return [parameter.grad for _, parameter in network.named_parameters()]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_recomputing_gives_the_same_gradients(algorithm):
    model = Tower()
    part, network = wired(model, algorithm=algorithm, rank=4)
    prepare(network, [part])
    network.begin(1)
    x = torch.randn(2, 5, 4)
    plain = gradients(model, part, network, x, checkpointing=False)
    assert all(gradient is not None for gradient in plain) and (algorithm == "dylora" or all(gradient.any() for gradient in plain))
    for checkpointing in (True, ("diffusion_model/layers.0", "diffusion_model/layers.2")):
        for one, other in zip(plain, gradients(model, part, network, x, checkpointing=checkpointing), strict=True):
            assert torch.equal(one, other)


class InBf16(PlainWeights):
    dtype = torch.bfloat16


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("algorithm", [*ALGORITHMS, "pissa"])
def test_copies_made_together_give_the_gradients_of_casts_one_by_one(algorithm, checkpointing):
    """Bit by bit, in a model in bf16; over two micro-batches, between which the adapters do not change."""
    model = Tower().to(torch.bfloat16)
    kind = {"algorithm": "lora", "init": "pissa"} if algorithm == "pissa" else {"algorithm": algorithm}
    found = []
    for weights in (None, InBf16()):
        part, network = wired(model, weights, rank=4, **kind)
        prepare(network, [part])
        network.begin(1)
        with attached(network, [part], checkpointing=checkpointing):
            for seed in (1, 2):
                x = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(seed)).to(torch.bfloat16)
                model(x).float().square().mean().backward()
                network.copies.forget()
        found.append([parameter.grad for _, parameter in network.named_parameters()])
    assert all(one.dtype is torch.float32 and torch.equal(one, other) for one, other in zip(*found, strict=True))
    assert any(one.any() for one in found[0])


def test_adapters_are_cast_once_a_forward_however_often_their_block_runs():
    model = Tower(depth=3).to(torch.bfloat16)
    x = torch.randn(2, 5, 4, dtype=torch.bfloat16)
    counts = {}
    for weights in (PlainWeights(), InBf16()):
        part, network = wired(model, weights)
        with attached(network, [part], checkpointing=True), _Casts() as casts:
            model(x).float().square().mean().backward()
        counts[weights.dtype] = casts.count
    # 3 blocks of 4 layers, down and up each: forward, again, back; and the 2 layers around them: forward and back
    assert counts[torch.float32] - counts[torch.bfloat16] == 3 * 4 * 2 * 3 + 2 * 2 * 2


def test_copies_are_of_the_weights_that_are_there():
    """None outlives its backward, nor a look without gradient; what is switched off gets none."""
    model = Tower().to(torch.bfloat16)
    part, network = wired(model, InBf16())
    x, adapter = torch.randn(2, 5, 4, dtype=torch.bfloat16), next(adapter for _, adapter in network.items())
    with attached(network, [part], checkpointing=False):
        before = model(x)
        kept = adapter.pair(torch.bfloat16)[0]
        assert kept is adapter.pair(torch.bfloat16)[0]
        with torch.no_grad(), network.disabled():
            model(x)
        assert kept is adapter.pair(torch.bfloat16)[0]
        network.copies.forget()
        with torch.no_grad():
            adapter.down.mul_(3)
            after = model(x)
        assert not torch.equal(before, after)
        assert torch.equal(adapter.pair(torch.bfloat16)[0], adapter.down.to(torch.bfloat16))
        assert adapter.pair(torch.bfloat16)[0] is not adapter.pair(torch.bfloat16)[0]


class _Casts(TorchDispatchMode):
    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.aten._to_copy.default
        return func(*args, **(kwargs or {}))


def test_only_the_blocks_that_are_named_run_twice():
    model = Tower(depth=3)
    part, network = wired(model)
    runs = dict.fromkeys(range(3), 0)

    def counted(number, forward):
        def run(x):
            runs[number] += 1
            return forward(x)

        return run

    for number, layer in enumerate(model.layers):
        layer.forward = counted(number, layer.forward)
    gradients(model, part, network, torch.randn(2, 5, 4), checkpointing=("diffusion_model/layers.1",))
    assert runs == {0: 1, 1: 2, 2: 1}


@pytest.mark.parametrize(("make", "layers", "shape"), [
    (Tower, {"linear": Cast}, (2, 5, 4)), (Convolutions, {"linear": Cast, "conv": CastConv}, (2, 3, 9, 8)),
])
def test_frozen_ops_give_the_same_gradients_and_keep_no_cast_weight(make, layers, shape):
    """bf16 weights computed in fp32: the frozen op against autograd through the cast."""
    model = make(**layers).to(torch.bfloat16)
    part, network = wired(model, CastWeights())
    plain_part = part_of(model)
    x = torch.randn(shape)
    if make is Tower:  # its norms are not cast by torch
        for layer in model.layers:
            layer.norm.float()
    expected = gradients(model, plain_part, network, x, checkpointing=False)
    actual = gradients(model, part, network, x, checkpointing=False)
    for one, other in zip(actual, expected, strict=True):
        assert torch.allclose(one, other, atol=1e-6, rtol=1e-4)
    assert kept_weights(model, plain_part, network, x) > 0
    assert kept_weights(model, part, network, x) == 0


@pytest.mark.parametrize("kind", [
    {"algorithm": "lora"}, {"algorithm": "lora", "init": "orthogonal"}, {"algorithm": "lora", "init": "pissa"}, {"algorithm": "lora_fa"},
    {"algorithm": "rslora"}, {"algorithm": "lora", "dropout": 0.2},
], ids=str)
@pytest.mark.parametrize("checkpointing", [False, True])
def test_the_gradient_that_is_written_out_is_that_of_autograd(kind, checkpointing):
    """Of op and branch together, and of what comes in: weights of ComfyUI's kind against torch's own, which autograd goes through."""
    model = Tower(linear=Cast)
    x = torch.randn(2, 5, 4, requires_grad=True)
    found = []
    for weights in (PlainWeights(), CastWeights()):
        part, network = wired(model, weights, **kind)
        prepare(network, [part])
        network.begin(1)
        x.grad = None
        found.append([*gradients(model, part, network, x, checkpointing=checkpointing), x.grad])
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, atol=1e-7, rtol=1e-5) if one is not None else other is None


def kept_weights(model, part, network, x) -> int:
    """How many of the tensors that autograd keeps for backward are weights cast to fp32."""
    cast = [p.float().flatten().sort().values for p in model.parameters() if p.ndim > 1]
    kept = []
    with attached(network, [part], checkpointing=False):
        with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
            model(x).square().mean()
    values = [t.detach().flatten().sort().values for t in kept if t.dtype is torch.float32]  # a linear's is kept transposed
    return sum(any(torch.equal(value, weight) for weight in cast) for value in values)


class CastsNothing(CastWeights):
    """Layers that could cast their weights, and need not."""

    def recasts(self, module):
        return False


def _seen(kept, tensor):
    kept.append(tensor)
    return tensor


def test_a_convolution_keeps_no_input_that_only_its_weight_would_need():
    model = Convolutions(linear=Cast, conv=CastConv)
    spec = {"targets": TargetSpec(preset="all linear")}  # its 3x3 has no adapter
    x = torch.randn(2, 3, 9, 8, requires_grad=True)
    sizes, found = [], []
    for weights in (PlainWeights(), CastsNothing()):
        part, network = wired(model, weights, **spec)
        kept = []
        with attached(network, [part], checkpointing=False):
            with torch.autograd.graph.saved_tensors_hooks(partial(_seen, kept), lambda t: t):
                loss = model(x * 1).square().mean()
            found.append(torch.autograd.grad(loss, [x, *(p for _, p in network.named_parameters())]))
        sizes.append(sum(tensor.shape == x.shape for tensor in kept))
    assert sizes == [1, 0]
    assert all(torch.allclose(one, other, rtol=1e-5, atol=1e-7) for one, other in zip(*found, strict=True))


def test_an_exception_takes_everything_off():
    model = Tower()
    part, network = wired(model)
    before = [sorted(vars(module)) for module in model.modules()]
    with pytest.raises(RuntimeError, match="stop"), attached(network, [part], checkpointing=True):
        assert "forward" in vars(model.layers[0]) and "forward" in vars(model.proj_in)
        raise RuntimeError("stop")
    assert [sorted(vars(module)) for module in model.modules()] == before


def test_a_forward_that_was_there_before_comes_back():
    """Other packs replace forwards too."""
    model = Tower()
    part, network = wired(model)
    own = lambda x: torch.zeros(*x.shape[:-1], 8)  # noqa: E731
    model.proj_in.forward = own
    with attached(network, [part], checkpointing=False):
        assert model.proj_in.forward is not own
    assert model.proj_in.forward is own


def test_disabled_and_strength():
    model = Tower()
    part, network = wired(model, targets=TargetSpec(preset="all linear", exclude=("layers",)))
    x = torch.randn(1, 3, 4)
    base = model(x)
    with attached(network, [part], checkpointing=False):
        with network.disabled():
            assert torch.equal(model(x), base)
        with network.at_strength(0.0):
            assert torch.allclose(model(x), base, atol=1e-6)
        full = model(x)
        with network.at_strength(0.5):
            half = model(x)
        assert torch.equal(model(x), full)
    with torch.no_grad():
        for name in ("proj_in", "proj_out"):
            model.get_submodule(name).weight += 0.5 * network.adapters_of("diffusion_model")[name].weight_delta()
    assert torch.allclose(half, model(x), atol=1e-5)
