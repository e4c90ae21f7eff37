"""How a run takes what memory there is: the tiny model's micro-batch is reckoned with 11,000 bytes when everything is kept and 4,500
when blocks are computed twice; its LoRA of 120 numbers with 16 bytes each."""

import pytest

from pack.tests.training.run.fakes import Bench
from pack.training.events import Message
from pack.training.memory.choice import ALL, NONE, MemoryChoice
from pack.training.specs import RunSpec

PLENTY, TIGHT, NOTHING = 2**30, 9_000, 100


def bench(folder, memory="auto", free=PLENTY, **settings) -> Bench:
    return Bench(folder=folder / "run", run_spec=RunSpec(steps=2, memory=memory, **settings), free=free)


def said(ground: Bench) -> Message:
    [message] = [event for event in ground.recorder.of(Message) if event.topic == "memory"]
    return message


@pytest.mark.parametrize(("memory", "free", "checkpointing", "recompute"), [
    ("auto", PLENTY, True, NONE), ("auto", TIGHT, False, ALL), ("auto", NOTHING, False, ALL), ("least", PLENTY, False, ALL),
    ("by hand", NOTHING, False, NONE), ("by hand", PLENTY, True, ALL),
])
def test_the_rule_decides_and_the_switch_only_by_hand(tmp_path, memory, free, checkpointing, recompute):
    ground = bench(tmp_path, memory, free, gradient_checkpointing=checkpointing)
    way = ground.run().built.room.way
    assert way.choice == MemoryChoice(recompute=recompute)
    adapters = ground.reserved[0] - (11_000 if recompute == NONE else 4_500)
    assert ground.reserved == [way.beside] and 0 < adapters < 5_000
    assert ("gradient_checkpointing is not read" in said(ground).text) == (memory != "by hand")
    assert said(ground).level == ("warning" if free == NOTHING else "info")


def test_the_sentence_names_the_next_larger_settings(tmp_path):
    ground = bench(tmp_path)
    ground.run()
    assert said(ground).text == (
        "Memory 'auto': 0.0 GiB of the 1.0 that are free: 0.0 beside the model; no block is computed twice. resolution 256 would take 0.0, "
        "batch_size 2 0.0. gradient_checkpointing is not read."
    )


@pytest.mark.parametrize("memory", ["auto", "by hand"])
def test_what_recordings_hold_is_said_not_to_be_counted(tmp_path, memory):
    told = {way: bench(tmp_path / way, memory, compile=way) for way in ("off", "graph")}
    for ground in told.values():
        ground.run()
    assert said(told["graph"]).text == f"{said(told['off']).text} What the recordings of compile 'graph' hold is not counted."


def test_the_file_does_not_depend_on_what_was_free(tmp_path):
    grounds = [bench(tmp_path / str(free), free=free) for free in (PLENTY, TIGHT)]
    assert len({ground.run().built.room.way.choice for ground in grounds}) == 2
    assert grounds[0].file() == grounds[1].file()


def test_a_resume_may_choose_anew_and_ends_in_the_same_file(tmp_path):
    whole, parted = bench(tmp_path / "whole"), bench(tmp_path / "parted", "by hand")
    whole.run_spec = RunSpec(steps=4, memory="auto")
    whole.run()
    parted.run()
    parted.run_spec = RunSpec(steps=4, memory="least")
    parted.run(parted.folder / "state" / "training.state")
    assert whole.file() == parted.file()
