"""The list of kinds is whole, each says what it must, and a new one needs no other place."""

import json
from importlib import import_module
from pathlib import Path

import pytest
import torch
from torch import nn

from pack.tests.training.network.models import Tower, part_of
from pack.training.lora_file.network_metadata import network_entries
from pack.training.network import kinds
from pack.training.network.attach import attached
from pack.training.network.build import build_network, prepare
from pack.training.network.files import load_tensors, to_tensors
from pack.training.network.kinds.adapter import Adapter, Elsewhere, algorithm
from pack.training.network.kinds.menu import ALGORITHMS, KINDS, adapters
from pack.training.network.kinds.options import Options
from pack.training.network.spec import NetworkSpec

FILES = sorted(path.stem for path in Path(kinds.__path__[0]).glob("*.py") if path.stem != "__init__")


def test_every_file_that_registers_a_kind_is_in_the_menu():
    for name in FILES:
        import_module(f"{kinds.__name__}.{name}")
    assert sorted(ALGORITHMS) == sorted(adapters) and ALGORITHMS[0] == "lora"
    assert all(adapters.get(kind.algorithm) is kind for kind in KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=ALGORITHMS)
def test_every_kind_says_itself_what_it_is_elsewhere(kind):
    """Inherited, it would name another kind in the metadata."""
    assert vars(kind)["elsewhere"].module.startswith(("networks.", "lycoris."))
    assert issubclass(kind.options_type, Options) and kind.options_type().problems() == []


@pytest.fixture
def registered(monkeypatch):
    """Takes kinds that a test adds away again."""
    monkeypatch.setattr(adapters, "_entries", dict(adapters._entries))


def test_a_kind_is_added_in_one_place(registered):
    """One step with a bias that is trained instead of a matrix: built, run, saved, read back and named."""

    @algorithm("made_up")
    class Shift(Adapter):
        elsewhere = Elsewhere("networks.made_up", {"shift": True})
        uses_rank = uses_alpha = False

        def make(self, generator):
            self.shift = nn.Parameter(torch.zeros(self.op.out_features))

        def adapted(self, x, base):
            return base.run(x) + self.strength * self.op.per_channel(self.shift).to(x.dtype)

        def file_tensors(self):
            return {"diff_b": self.shift.detach()}

        def load_file_tensors(self, tensors):
            self.shift.data.copy_(tensors["diff_b"])

    model = Tower(depth=1)
    part, spec, x = part_of(model), NetworkSpec(algorithm="made_up"), torch.randn(2, 5, 4)
    network = build_network(spec, [part], seed=0)
    prepare(network, [part])
    optimizer = torch.optim.SGD([parameter for _, parameter in network.named_parameters()], lr=0.1)
    losses = []
    for step in range(2):
        network.begin(step)
        with attached(network, [part], checkpointing=True):
            losses.append(model(x).square().mean())
            losses[-1].backward()
        optimizer.step()
    assert losses[1] < losses[0]
    tensors = to_tensors(network)
    assert set(tensors) == {f"{key}.diff_b" for key in network.file_keys.values()}
    again = build_network(spec, [part], seed=1)
    load_tensors(again, tensors)
    assert all(torch.equal(to_tensors(again)[key], tensors[key]) for key in tensors)
    told = network_entries(spec)
    assert told["ss_network_module"] == "networks.made_up" and json.loads(told["ss_network_args"])["shift"] is True


def test_a_name_is_taken_once(registered):
    with pytest.raises(ValueError, match="'lora' is registered twice"):
        algorithm("lora")(type("Other", (Adapter,), {}))
