"""What a run says of memory while it goes on."""

import torch

from pack.tests.training.run.fakes import Bench
from pack.training.devices.card import Card, Reading
from pack.training.events import Message, StepDone
from pack.training.memory.meter import MemoryMeter
from pack.training.specs import RunSpec


def told(bench: Bench, topic: str) -> list[Message]:
    return [event for event in bench.recorder.of(Message) if event.topic == topic]


def test_what_lies_beside_the_card_is_said_after_the_first_step(tmp_path, monkeypatch):
    monkeypatch.setattr(Card, "read", lambda card: Reading(used=0))
    monkeypatch.setattr(MemoryMeter, "total", lambda meter: meter.now())
    bench = Bench(tmp_path / "run", RunSpec(steps=3, gradient_checkpointing=False))
    bench.run()
    (warning,) = told(bench, "spilling")
    assert (warning.step, warning.level) == (1, "warning")
    assert "gradient_checkpointing on Train LoRA (0.0 GiB)" in warning.text  # the plan of so small a model


def test_steps_that_take_longer_than_the_plan_says_are_told_on_a_full_device(tmp_path, monkeypatch):
    """A device that would make 1e30 FLOPs a second, and full as far as torch can tell."""
    asked = []
    monkeypatch.setattr("pack.training.run.room.way.product_speed", lambda device, dtype: asked.append((device.type, dtype)) or 1e30)
    monkeypatch.setattr(Card, "read", lambda card: None)
    monkeypatch.setattr(MemoryMeter, "total", lambda meter: meter.now())
    bench = Bench(tmp_path / "run", RunSpec(steps=3, memory="auto"), free=2**30)
    bench.run()
    (warning,) = told(bench, "spilling")
    assert warning.step == 2 and "were to be expected, while memory is full" in warning.text
    assert asked == [("cpu", torch.float32)]


def test_a_device_without_counters_is_told_once_and_trains(tmp_path, monkeypatch):
    monkeypatch.setattr("pack.training.memory.meter._counters_of", lambda device: None)
    monkeypatch.setattr("pack.training.run.build.missing_on", lambda device, meter, card: f"nobody knows {meter.now()}")
    bench = Bench(tmp_path / "run", RunSpec(steps=3))
    bench.run()
    assert [message.text for message in told(bench, "device")] == ["nobody knows None"]
    assert [(step.memory_bytes, step.peak_memory_bytes) for step in bench.recorder.of(StepDone)] == [(None, None)] * 3


def test_a_cpu_has_nothing_to_say(tmp_path):
    bench = Bench(tmp_path / "run", RunSpec(steps=1))
    bench.run()
    assert bench.denoiser.device == torch.device("cpu")
    assert not told(bench, "spilling") and not told(bench, "device")
