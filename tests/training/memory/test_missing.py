"""What is said of devices that this machine does not have."""

from types import SimpleNamespace

import pytest
import torch

from pack.training.devices.card import Card
from pack.training.memory.meter import MemoryMeter
from pack.training.memory.missing import missing_on


def said_of(kind: str) -> str:
    device = torch.device(kind)
    return missing_on(device, MemoryMeter(device), Card(device))


def whole(**more) -> SimpleNamespace:
    """A module of torch with all the counters."""
    size = SimpleNamespace(total_memory=8)
    return SimpleNamespace(reset_peak_memory_stats=lambda which: None, memory_reserved=lambda which: 1, max_memory_reserved=lambda which: 2,
                           get_device_properties=lambda which: size, mem_get_info=lambda which: (5, 8), **more)


@pytest.mark.parametrize("cuda", [None, "13.0"], ids=["AMD", "NVIDIA"])
def test_nothing_is_missing(monkeypatch, cuda):
    monkeypatch.setattr(torch, "cuda", whole())
    monkeypatch.setattr(torch.version, "cuda", cuda)
    assert said_of("cuda") == said_of("cpu") == ""


def test_intel_copies(monkeypatch):
    monkeypatch.setattr(torch, "xpu", whole())
    said = said_of("xpu")
    assert said.startswith("On 'xpu': what is kept for backward is copied at once") and said.count(";") == 0


def test_apple_lacks_more(monkeypatch):
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 7)
    said = said_of("mps")
    assert "copied at once" in said and "the most that was held at the end of a step" in said and "what other programs hold" in said


def test_directml_is_not_measured_at_all():
    said = said_of("privateuseone")
    assert "copied at once" in said and "a full card is not noticed" in said and said.count(";") == 1
