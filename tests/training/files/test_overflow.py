"""Main memory while there is room, then a folder that is gone with the run."""

import gc
import os

import pytest
import torch

from pack.tests.training.run.fakes import Bench, pictures
from pack.training.data.specs import CaptionSpec
from pack.training.events import Message
from pack.training.files import overflow as overflowing
from pack.training.files.overflow import Overflow
from pack.training.specs import RunSpec

SIZE = 40
"""Bytes of an entry."""


def entry(value: float) -> dict[str, torch.Tensor]:
    return {"latent": torch.full((10,), float(value))}


def on_disk(folder) -> list[str]:
    return sorted(path.stem for path in folder.rglob("*.safetensors"))


def test_what_has_no_room_in_memory_lies_on_disk_and_comes_back(tmp_path):
    overflow = Overflow(tmp_path, 2 * SIZE + 1)
    one, other = overflow.of("latents"), overflow.of("texts")
    keys = [letter * 64 for letter in "abcd"]
    for number, (key, kept) in enumerate(zip(keys, (one, other, one, other), strict=True)):  # one room for both
        kept.put(key, entry(number))
    assert on_disk(tmp_path) == keys[2:]
    assert [float(kept.get(key)["latent"][3]) for key, kept in zip(keys, (one, other, one, other), strict=True)] == [0, 1, 2, 3]
    assert one.has(keys[0]) and one.has(keys[2]) and not one.has(keys[3]) and one.get(keys[1]) is None


def test_it_is_said_once(tmp_path):
    overflow, heard = Overflow(tmp_path, 0), []
    for kind in ("latents", "texts"):
        kept = overflow.of(kind)
        kept.settle([], heard.append)
        assert len(heard) == (kind == "texts")
        kept.put("a" * 64, entry(1))
        kept.settle(["a" * 64], heard.append)
    (message,) = heard
    assert "the rest lies on disk until the run ends. cache_to_disk on Train LoRA" in message.text


def test_the_folder_goes_with_the_run_and_so_do_those_of_the_killed(tmp_path, monkeypatch):
    (tmp_path / "run-999" / "1").mkdir(parents=True)
    (tmp_path / f"run-{os.getpid()}" / "1").mkdir(parents=True)
    monkeypatch.setattr(overflowing.psutil, "pid_exists", lambda pid: pid == os.getpid())
    overflow = Overflow(tmp_path, 0)
    assert [path.name for path in tmp_path.iterdir()] == [f"run-{os.getpid()}"]
    overflow.of("latents").put("a" * 64, entry(1))
    assert on_disk(tmp_path)
    del overflow
    gc.collect()
    assert not on_disk(tmp_path)


@pytest.mark.parametrize("count", [6, 60])
def test_a_run_holds_no_more_in_memory_than_there_is_room_for(tmp_path, monkeypatch, count):
    """Whatever the number of pictures; and learns the same."""
    files = []
    for name, room in (("whole", 1 << 30), ("small", 3000)):
        made = Overflow(tmp_path / name, room)
        monkeypatch.setattr("pack.training.processes.sharing.Overflow", lambda folder, made=made: made)
        bench = Bench(tmp_path / name / "run", RunSpec(steps=8), samples=pictures(count), captions=CaptionSpec(shuffle=True),
                      overflow_folder=tmp_path / name)
        built = bench.run().built
        files.append(bench.file())
        assert bool(on_disk(tmp_path / name / f"run-{os.getpid()}")) == (name == "small")
        assert made._left >= 0 and built is not None
        assert bool([event for event in bench.recorder.of(Message) if event.topic == "cache"]) == (name == "small")
    assert files[0] == files[1]
