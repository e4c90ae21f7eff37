"""Which devices read main memory by themselves, by what torch's module for them says."""

from types import SimpleNamespace

import pytest
import torch

from pack.training.devices.upload import pinned, reads_main_memory


@pytest.mark.parametrize(
    ("kind", "there", "expected"), [("cuda", True, True), ("xpu", True, True), ("xpu", False, False), ("mps", True, False)])
def test_cards_with_memory_of_their_own(monkeypatch, kind, there, expected):
    monkeypatch.setattr(torch, kind, SimpleNamespace(is_available=lambda: there))
    assert reads_main_memory(torch.device(kind)) == expected


@pytest.mark.parametrize("kind", ["cpu", "meta", "privateuseone"])
def test_what_is_no_card_and_what_torch_does_not_know(kind):
    assert not reads_main_memory(torch.device(kind))


def test_memory_that_cannot_be_pinned_is_used_as_it_is(monkeypatch):
    monkeypatch.setattr("pack.training.devices.upload.reads_main_memory", lambda device: True)
    tensor = torch.ones(2)
    assert pinned(tensor, torch.device("xpu")) is tensor or torch.accelerator.is_available()
