"""The meter on devices that this machine does not have: torch's modules for them are stood in for."""

from types import SimpleNamespace

import psutil
import pytest
import torch

from pack.training.memory.meter import MemoryMeter


def test_the_cpu_is_the_process():
    meter = MemoryMeter(torch.device("cpu"))
    assert 0 < meter.now() <= meter.peak() <= meter.total() == psutil.virtual_memory().total
    assert not meter.keeps_peak


@pytest.mark.parametrize("kind", ["cuda", "xpu", "mtia"])
def test_any_accelerator_is_asked_by_torchs_own_module_for_it(monkeypatch, kind):
    device, reset = torch.device(kind, 1), []
    module = SimpleNamespace(
        reset_peak_memory_stats=reset.append, memory_reserved=lambda which: 10 * which.index,
        max_memory_reserved=lambda which: 30 * which.index,
        get_device_properties=lambda which: SimpleNamespace(total_memory=100 * which.index),
    )
    monkeypatch.setattr(torch, kind, module)
    meter = MemoryMeter(device)
    assert reset == [device]
    assert (meter.now(), meter.peak(), meter.total(), meter.keeps_peak) == (10, 30, 100, True)


@pytest.mark.parametrize("newer", [True, False])
def test_apples_memory_is_sampled(monkeypatch, newer):
    held = iter([5, 9, 7])
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: next(held))
    if newer:
        monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 64)
    else:
        monkeypatch.delattr(torch.mps, "recommended_max_memory")
    meter = MemoryMeter(torch.device("mps"))
    assert [meter.peak(), meter.peak(), meter.peak()] == [5, 9, 9]
    assert meter.total() == (64 if newer else psutil.virtual_memory().total)
    assert not meter.keeps_peak


def test_a_device_that_torch_has_no_module_of_is_not_measured():
    meter = MemoryMeter(torch.device("privateuseone"))
    assert (meter.now(), meter.peak(), meter.total()) == (None, None, None)
    assert not meter.keeps_peak
