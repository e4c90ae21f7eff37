"""What the driver says of a card that this machine does not have."""

import sys
from types import SimpleNamespace

import pytest
import torch

from pack.training.devices import windows
from pack.training.devices.card import Card, Reading

CUDA = torch.device("cuda", 0)
GIB = 2**30


class NVMLError(Exception):
    pass


def driver(total: int = 8 * GIB, knows: tuple[str, ...] = ("GPU-aaaa",)) -> SimpleNamespace:
    """A pynvml that knows one card by these names and no other."""
    asked: list[str] = []

    def handle(name):
        asked.append(name)
        if name not in knows:
            raise NVMLError(name)
        return "the card"

    def memory(card):
        assert card == "the card"
        return SimpleNamespace(total=total, used=3 * GIB)

    return SimpleNamespace(
        nvmlInit=lambda: None, nvmlDeviceGetHandleByUUID=handle, nvmlDeviceGetHandleByPciBusId=handle,
        nvmlDeviceGetMemoryInfo=memory, NVMLError=NVMLError, asked=asked,
    )


@pytest.fixture
def a_card(monkeypatch):
    """torch as it is with NVIDIA's card, of which it knows number and place."""
    properties = SimpleNamespace(uuid="aaaa", pci_bus_id=0x41, pci_device_id=0, pci_domain_id=0, total_memory=8 * GIB)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2 * GIB, 8 * GIB))
    monkeypatch.setitem(sys.modules, "pynvml", None)
    return properties


def install(monkeypatch, library):
    monkeypatch.setitem(sys.modules, "pynvml", library)
    return library


def test_a_cpu_has_no_card():
    assert Card(torch.device("cpu")).read() is None


def test_without_the_library_torch_asks_the_driver(a_card):
    assert Card(CUDA).read() == Reading(used=6 * GIB)


def test_the_card_is_known_by_its_number(a_card, monkeypatch):
    library = install(monkeypatch, driver())
    assert Card(CUDA).read() == Reading(used=3 * GIB)
    assert library.asked[-1] == "GPU-aaaa"


def test_or_by_its_place_on_the_bus(a_card, monkeypatch):
    """What an older torch knows: a card that CUDA_VISIBLE_DEVICES makes the first one is not the driver's first."""
    del a_card.uuid
    library = install(monkeypatch, driver(knows=("00000000:41:00.0",)))
    assert Card(CUDA).read() == Reading(used=3 * GIB)
    assert library.asked == ["00000000:41:00.0"]


def test_a_slice_of_a_card_has_a_number_of_its_own(a_card, monkeypatch):
    install(monkeypatch, driver(knows=("MIG-aaaa", "00000000:41:00.0")))
    assert Card(CUDA).read() == Reading(used=3 * GIB)


@pytest.mark.parametrize("library", [driver(total=80 * GIB), driver(knows=())], ids=["another size", "unknown"])
def test_a_card_that_is_not_surely_ours_is_not_believed(a_card, monkeypatch, library):
    install(monkeypatch, library)
    assert Card(CUDA).read() == Reading(used=6 * GIB)


def test_amds_cards_are_not_asked_of_nvidia(a_card, monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", None)
    library = install(monkeypatch, driver())
    assert Card(CUDA).read() == Reading(used=6 * GIB)
    assert library.asked == []


def test_a_driver_that_fails_is_not_asked_again(a_card, monkeypatch):
    library, calls = driver(), []
    install(monkeypatch, library)
    card = Card(CUDA)

    def lost(handle):
        calls.append(handle)
        raise NVMLError("GPU is lost")

    library.nvmlDeviceGetMemoryInfo = lost
    assert [card.read(), card.read()] == [Reading(used=6 * GIB)] * 2
    assert len(calls) == 1


def test_nothing_at_all_answers(a_card, monkeypatch):
    def refuses(device):
        raise RuntimeError("no")

    monkeypatch.setattr(torch.cuda, "mem_get_info", refuses)
    assert Card(CUDA).read() is None
    assert Card(torch.device("privateuseone")).read() is None


def test_windows_own_counters_go_before_the_driver(a_card, monkeypatch):
    install(monkeypatch, driver())
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(windows, "Counters", lambda: SimpleNamespace(memory=lambda pid: (7, 5, 2)))
    assert Card(CUDA).read() == Reading(used=7, ours=5, shared=2)


def test_windows_without_counters(a_card, monkeypatch):
    def broken():
        raise OSError("pdh.dll answers 0xc0000bb8")

    install(monkeypatch, driver())
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(windows, "Counters", broken)
    assert Card(CUDA).read() == Reading(used=3 * GIB)


def test_what_was_moved_and_what_others_hold():
    plain, told = Reading(used=7), Reading(used=7, ours=4, shared=1)
    assert (plain.moved(6), plain.others(6)) == (0, 1)
    assert (plain.moved(9), plain.others(9)) == (2, 0)
    assert (told.moved(6), told.others(6)) == (1, 3)  # 2 are missing on the card, but only 1 lies in main memory
    assert (told.moved(3), told.others(3)) == (0, 3)
