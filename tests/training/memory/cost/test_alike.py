"""A step of which some blocks are only counted takes what it takes when every one is gone through."""

from contextlib import nullcontext

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F

from pack.tests.training.network.models import part_of
from pack.training.memory.cheaply import cheaply
from pack.training.memory.choice import DEVICE, MAIN_MEMORY, MemoryChoice
from pack.training.memory.cost.alike import Alike
from pack.training.memory.cost.ledger import Ledger
from pack.training.memory.cost.trace import BACKWARD, Trace, Watch
from pack.training.network.attach import attached
from pack.training.network.build import build_network
from pack.training.network.checkpointing import units
from pack.training.network.in_place import harmless
from pack.training.network.spec import NetworkSpec, TargetSpec

WIDTH, TOKENS = 16, 64


class Block(nn.Module):
    """A residual block; `writes` into what it is given, as FLUX' do; two tensors go through it, of which it may leave one as it is."""

    def __init__(self, inner: int, *, writes: bool):
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, inner), nn.Linear(inner, WIDTH)
        self.writes, self.calls = writes, 0

    def forward(self, x, other, options=None):
        self.__dict__["calls"] += 1
        added = self.down(F.gelu(self.up(self.norm(x)) * other.mean()))
        if self.writes:
            x += added
            return x, other
        return x + added, other * 2


class Stack(nn.Module):
    def __init__(self, inner: list[int], *, writes: bool):
        super().__init__()
        self.first = nn.Linear(WIDTH, WIDTH)
        self.blocks = nn.ModuleList([Block(size, writes=writes) for size in inner])

    def forward(self, x, options):
        x, other = self.first(x) + 2, self.first(x) + 2
        for place, block in enumerate(self.blocks):
            x, other = block(x, other, options={"place": place, **options})
        return x.float().square().mean() + other.mean()


def traced(inner: list[int], *, counted: bool, writes=False, options=None, cheap=False, **network) -> tuple[Trace, int]:
    """And how many blocks were gone through."""
    ledger = Ledger(torch.device("cpu"))
    with FakeTensorMode():
        model = Stack(inner, writes=writes).requires_grad_(False)
        part = part_of(model)
        made = build_network(NetworkSpec(**{"rank": 2, "alpha": 2.0, "targets": TargetSpec(preset="all linear")} | network), [part], seed=0)
        made.begin(1)
        blocks = dict(units(model))
        changes = {name: {path.removeprefix(name): change for path, change in made.adapters_of(part.name).items()
                          if path.startswith(f"{name}.")} for name in blocks}
        watch = Watch(ledger, Alike(ledger, blocks, changes) if counted else None)
        x = torch.zeros(TOKENS, WIDTH)
        with harmless(), watch.around(blocks), attached(made, [part], checkpointing=False), ledger:
            with cheaply(least=1) if cheap else nullcontext():
                loss = model(x, options or {})
            watch.after_forward()
            ledger.mark("backward")
            loss.backward()
            ledger.mark("clipping")
    if watch.alike is not None:
        watch.alike.settle(ledger.stretches, BACKWARD)
    assert all(own.grad is not None for _, own in made.named_parameters())
    return Trace(ledger.stretches, watch.passes, 0), sum(block.calls for block in model.blocks)


def peaks(trace: Trace, place: str = DEVICE) -> list[int]:
    return [trace.peak(MemoryChoice(recompute=way, activations=place)) for way in ("none", "cheap", "all", tuple(list(trace.saved())[::2]))]


@pytest.mark.parametrize("given", [
    {}, {"writes": True}, {"algorithm": "lokr"}, {"algorithm": "dora"}, {"algorithm": "lora_fa"}, {"algorithm": "oft"},
], ids=str)
def test_a_step_takes_the_same(given):
    inner = [32, 32, 32, 32, 48, 48, 48, 48, 32]
    (whole, through), (some, fewer) = (traced(inner, counted=counted, **given) for counted in (False, True))
    assert peaks(some) == peaks(whole)
    # The last block of all is met with smaller gradients than the others.
    assert peaks(some, MAIN_MEMORY) == pytest.approx(peaks(whole, MAIN_MEMORY), rel=0.02)
    backward = [{stretch.name: (stretch.start, stretch.peak) for stretch in trace.stretches if stretch.name.startswith(BACKWARD)}
                for trace in (whole, some)]
    assert {name: start for name, (start, _) in backward[0].items()} == {name: start for name, (start, _) in backward[1].items()}
    assert some.saved() == whole.saved() and some.flops() == whole.flops()
    assert through == 9 and fewer <= 6


def test_blocks_that_differ_in_what_they_compute_are_gone_through():
    assert traced([32, 40, 48, 56], counted=True)[1] == 4
    assert traced([32] * 6, counted=True, algorithm="dylora", rank=4)[1] == 6  # how many ranks is drawn for each


def test_a_function_for_all_blocks_is_no_difference_and_functions_by_block_are():
    assert traced([32] * 6, counted=True, options={"attention": F.gelu})[1] < 6
    assert traced([32] * 6, counted=True, options={"patches": {("double", 1): F.gelu}})[1] == 6


def test_blocks_that_compute_norms_twice_are_counted():
    (whole, through), (some, fewer) = (traced([32] * 8, counted=counted, writes=True, cheap=True) for counted in (False, True))
    assert [stretch.peak for stretch in some.stretches if "backward" in stretch.name] == [
        stretch.peak for stretch in whole.stretches if "backward" in stretch.name]
    assert peaks(some) == peaks(whole) and peaks(some) != peaks(traced([32] * 8, counted=True, writes=True)[0])
    assert through == 8 and fewer <= 4


def test_those_that_hand_on_what_is_computed_again_are_gone_through():
    """What the next one keeps lies in this one."""
    assert traced([32] * 6, counted=True, cheap=True)[1] == 6
