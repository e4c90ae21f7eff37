"""Work on a stream of its own comes after what was computed before it, and before what waits for it, however late streams run."""

from random import Random

import pytest
import torch

from pack.tests.training.memory.fake_device import Device
from pack.training.devices.streams import beside, streams_of


def read_by_the_copy(seed: int, *, waits: bool) -> str:
    """What a copy finds in memory that is computed into before it and after it."""
    device, memory, found = Device({}, Random(seed), 0), {"value": "nothing"}, []
    device.computing().do(lambda: memory.update(value="what was computed before"))
    made, done = beside(device, lambda: device.copying.do(lambda: found.append(memory["value"])) or "made")
    if waits:
        device.computing().wait_event(done)
    device.computing().do(lambda: memory.update(value="what came later"))
    device.run()
    assert made == "made" and not device.faults
    return found[0]


def test_a_copy_finds_what_was_there_when_it_was_begun():
    assert {read_by_the_copy(seed, waits=True) for seed in range(30)} == {"what was computed before"}


def test_who_does_not_wait_may_write_into_what_is_copied():
    assert "what came later" in {read_by_the_copy(seed, waits=False) for seed in range(30)}


@pytest.mark.parametrize("device", ["cpu", "meta", "privateuseone"])
def test_what_has_no_streams_has_none(device):
    assert streams_of(torch.device(device)) is None
