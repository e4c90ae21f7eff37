"""The user's generators: nothing of a run, nor of what it calls, leaves them otherwise than they were."""

import pytest
import torch

from pack.tests.training.network.models import Tower, part_of
from pack.tests.training.run.fakes import Bench
from pack.training.devices import generators
from pack.training.network.build import build_network, prepare
from pack.training.network.kinds.menu import adapters
from pack.training.network.spec import NetworkSpec, TargetSpec
from pack.training.specs import PreviewSpec, RunSpec, SamplingSpec


def test_what_is_seeded_inside_is_not_seeded_outside():
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    with pytest.raises(KeyError), generators.kept():
        torch.manual_seed(99)
        raise KeyError
    assert torch.equal(torch.rand(3), expected)


def test_those_of_cards_too(monkeypatch):
    class Card:
        state = ["mine"]
        is_initialized = staticmethod(lambda: True)
        get_rng_state_all = classmethod(lambda cls: list(cls.state))
        set_rng_state_all = classmethod(lambda cls, state: setattr(cls, "state", state))

    monkeypatch.setattr(torch, "cuda", Card)
    with generators.kept():
        Card.state = ["seeded"]
    assert Card.state == ["mine"]


@pytest.mark.parametrize("settings", [{"algorithm": name} for name in adapters] + [{"init": "pissa"}], ids=str)
def test_adapters_are_made_without_them(monkeypatch, settings):
    """`torch.manual_seed` seeds every card's generator as well."""
    monkeypatch.setattr(torch, "manual_seed", None)
    monkeypatch.setattr(torch.random, "manual_seed", None)
    part, before = part_of(Tower(depth=1, width=64)), torch.get_rng_state()
    spec = NetworkSpec(**{"rank": 4, "alpha": 4.0, "targets": TargetSpec(preset="all linear"), **settings})
    prepare(build_network(spec, [part], seed=1), [part])
    assert torch.equal(torch.get_rng_state(), before)


def test_a_run_whose_sampler_seeds_them_leaves_them(tmp_path):
    preview = PreviewSpec(sampling=SamplingSpec(prompts=("a cat",), width=64, height=64))
    bench = Bench(tmp_path / "run", RunSpec(steps=1, gradient_checkpointing=False), preview=preview)
    sample = bench.sampler.sample

    def seeding(*args):
        torch.manual_seed(7)  # as ComfyUI's do
        return sample(*args)

    bench.sampler.sample = seeding
    before = torch.get_rng_state()
    bench.run()
    assert bench.sampler.asked and torch.equal(torch.get_rng_state(), before)
