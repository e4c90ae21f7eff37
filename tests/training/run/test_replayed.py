"""Whole runs with `compile` 'graph' end in the very file of the plain run."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pack.tests.training.graph.card import PlayedGraph
from pack.tests.training.run.fakes import Bench, nothing, pictures
from pack.training.data.dataset import REGULARISATION
from pack.training.events import Message, StepDone
from pack.training.memory.choice import CHEAP, MAIN_MEMORY, MemoryChoice
from pack.training.network.spec import NetworkSpec, TargetSpec
from pack.training.objective.preservation import BlankCaption, OnRegularisation
from pack.training.objective.spec import ObjectiveSpec
from pack.training.objective.weights import MinSNR
from pack.training.optim.spec import OptimizerSpec
from pack.training.specs import GRAPH, RunSpec

STATE = Path("state") / "training.state"


def bench(folder, compile=GRAPH, *, steps=7, samples=None, run=None, **ground) -> Bench:
    spec = RunSpec(steps=steps, compile=compile, **{"gradient_checkpointing": False, **(run or {})})
    return Bench(folder=folder / "run", run_spec=spec, samples=samples or pictures(), **ground)


def told(ground) -> list[Message]:
    return [event for event in ground.recorder.of(Message) if event.topic == "compile"]


def of_two_buckets():
    return (*pictures(3), *(replace(sample, name=f"wide {sample.name}") for sample in pictures(3, (128, 64))))


def losses(ground) -> list[float]:
    return [event.loss for event in ground.recorder.of(StepDone)]


def beside_regularisation():
    return tuple(replace(sample, role=REGULARISATION) if place == 1 else sample for place, sample in enumerate(pictures()))


def dropping(**given) -> NetworkSpec:
    return NetworkSpec(rank=2, alpha=2.0, targets=TargetSpec(preset="all linear"), **given)


RUNS = {
    "plain": {},
    "recomputed": {"run": {"gradient_checkpointing": True}},
    "cheap": {"memory": MemoryChoice(recompute=CHEAP)},
    "accumulated, last batch short": {"steps": 9, "run": {"gradient_accumulation": 3}, "samples": pictures(5)},
    "batches": {"steps": 8, "run": {"batch_size": 2}},
    "min-SNR": {"objective": ObjectiveSpec(weighting=MinSNR())},
    "dropout": {"network": dropping(dropout=0.3, rank_dropout=0.2)},
    "dropout, recomputed": {"network": dropping(dropout=0.3), "run": {"gradient_checkpointing": True}},
    "two buckets": {"steps": 12, "samples": of_two_buckets()},
    "prior preservation": {"steps": 9, "objective": ObjectiveSpec(preservation=OnRegularisation()), "samples": beside_regularisation()},
    "another caption": {"objective": ObjectiveSpec(preservation=BlankCaption())},
    "scaled loss": {"scale_gradients": True},
    "EMA": {"optimizer": OptimizerSpec(learning_rate=1e-2, ema_decay=0.9)},
    "bounded norms": {"network": dropping(scale_weight_norms=0.01)},
}


@pytest.mark.parametrize("name", RUNS)
def test_a_run_ends_in_the_file_of_the_plain_one(tmp_path, name):
    plain, replayed = bench(tmp_path / "plain", "off", **RUNS[name]), bench(tmp_path / "replayed", **RUNS[name])
    plain.run(), replayed.run()
    assert replayed.file() == plain.file()
    assert told(plain) == []
    assert told(replayed) and all("replayed from now on" in event.text and "bit for bit" in event.text for event in told(replayed))


def test_it_goes_on_from_a_state_and_may_be_switched(tmp_path):
    plain, first = bench(tmp_path / "plain", "off", steps=8), bench(tmp_path / "first", steps=4)
    plain.run(), first.run()
    second = bench(tmp_path / "first", "off", steps=8)
    second.run(first.folder / STATE)
    assert second.file() == plain.file()


def spoiled(tmp_path, spoil, **options) -> tuple[Bench, Bench]:
    """A plain run and one that is to be replayed, of a model that does `spoil` to what it gives."""
    grounds = bench(tmp_path / "plain", "off", **options), bench(tmp_path / "replayed", **options)
    for ground in grounds:
        ground.denoiser.spoil = spoil
    return grounds


def by_number(denoised):
    return denoised * (1 + float(denoised.detach().mean()))


def by_python():
    numbers = random.Random(3)
    return lambda denoised: denoised * (1 + numbers.random() / 10)


def at_random(denoised):
    return denoised + torch.rand_like(denoised) * 0


def by_size(denoised):
    return denoised * (1 + len(denoised[denoised > 0]) * 0)


@pytest.mark.parametrize(("spoil", "why"), [
    (by_number, "reads a number of a tensor (_local_scalar_dense)"), (by_python, "computes with numbers of Python's that differ"),
    (at_random, "draws at random (rand_like)"), (by_size, "makes tensors whose size depends on numbers"),
])
def test_what_python_decides_anew_in_each_step_is_found(tmp_path, spoil, why):
    plain, replayed = spoiled(tmp_path, spoil, may_fall_apart=True)
    if spoil is by_python:
        plain.denoiser.spoil, replayed.denoiser.spoil = by_python(), by_python()
    plain.run(), replayed.run()
    (event,) = told(replayed)
    assert event.level == "warning" and f"this run {why}" in event.text
    assert replayed.file() == plain.file()


@pytest.mark.parametrize(("options", "why"), [
    ({"network": NetworkSpec(algorithm="dylora", rank=4, alpha=2.0, targets=TargetSpec(preset="all linear"))}, "draws at random (randint)"),
    ({"train_text": True, "optimizer": OptimizerSpec(learning_rate=1e-2, text_encoder_lr=1e-3)}, "trains text encoders"),
])
def test_what_cannot_be_replayed_is_said_once_and_trained_plainly(tmp_path, options, why):
    plain, replayed = bench(tmp_path / "plain", "off", **options), bench(tmp_path / "replayed", **options)
    plain.run(), replayed.run()
    warnings = [event for event in told(replayed) if event.level == "warning"]
    assert len(warnings) == 1 and f"this run {why}" in warnings[0].text
    assert replayed.file() == plain.file()


def test_too_many_kinds_of_steps_are_not_recorded(tmp_path, monkeypatch):
    monkeypatch.setattr("pack.training.graph.replays.MOST_KINDS", 2)
    some = bench(tmp_path / "some", steps=12, samples=of_two_buckets())
    many = bench(tmp_path / "many", network=dropping(module_dropout=0.5))
    some.run(), many.run()
    assert [event.level for event in told(some)] == ["info", "info"]
    assert "this run has more than 2 kinds of steps" in told(many)[-1].text


@pytest.mark.parametrize("name", ["plain", "accumulated, last batch short", "dropout, recomputed", "two buckets"])
def test_a_card_s_recording_reads_nothing_but_what_is_given(tmp_path, monkeypatch, name):
    """Played on the CPU: it is launched from and into the memory that it was taken with."""
    monkeypatch.setattr("pack.training.graph.replays.captures_of", lambda device: PlayedGraph)
    plain, replayed = bench(tmp_path / "plain", "off", **RUNS[name]), bench(tmp_path / "replayed", **RUNS[name])
    plain.run(), replayed.run()
    assert replayed.file() == plain.file() and all("bit for bit." in event.text for event in told(replayed))
    assert losses(replayed) == losses(plain)


def test_what_cannot_be_launched_again_is_said(tmp_path, monkeypatch):
    class Broken(PlayedGraph):
        def take(self, work):
            raise RuntimeError("operation not permitted when stream is capturing\nmore")

    monkeypatch.setattr("pack.training.graph.replays.captures_of", lambda device: Broken)
    ground = bench(tmp_path)
    ground.run()
    (event,) = told(ground)
    assert "could not be launched again (RuntimeError: operation not permitted when stream is capturing)." in event.text


def test_a_replay_that_gives_other_gradients_is_not_used(tmp_path, monkeypatch):
    class Stale(PlayedGraph):
        def replay(self):
            return self.found

    monkeypatch.setattr("pack.training.graph.replays.captures_of", lambda device: Stale)
    plain, ground = bench(tmp_path / "plain", "off"), bench(tmp_path / "replayed")
    monkeypatch.setattr("pack.training.graph.bound.Bound._fill", lambda self, inputs: [
        buffer.copy_(one * 1.5 if one.is_floating_point() else one) for buffer, one in zip(self._buffers, inputs, strict=True)])
    plain.run(), ground.run()
    assert "gave other gradients when it was launched again" in told(ground)[0].text and ground.file() == plain.file()


def test_the_host_knows_why_not(tmp_path):
    ground = bench(tmp_path)
    order = replace(ground.order(), unrecordable=lambda: "has a part of its model in main memory", training=nothing)
    ground.order = lambda: order
    ground.run()
    (event,) = told(ground)
    assert event.text == ("compile 'graph' is not used: this run has a part of its model in main memory. "
                          "Steps are made as with 'off'.")


def test_activations_in_main_memory_are_not_recorded(tmp_path):
    ground = bench(tmp_path, memory=MemoryChoice(activations=MAIN_MEMORY))
    ground.run()
    assert "keeps in main memory what backward needs" in told(ground)[0].text
