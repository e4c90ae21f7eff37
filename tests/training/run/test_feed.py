"""What a micro-batch is fed with is read once, ahead, by another thread; and nothing of it makes the host wait for the device."""

import threading
from dataclasses import replace

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from pack.tests.training.run.fakes import Bench, TinyImageEncoder, pictures
from pack.training.data.dataset import REGULARISATION
from pack.training.data.from_graph.graph_images import TensorPicture
from pack.training.errors import DatasetError
from pack.training.files.store import TensorStore
from pack.training.network.attach import attached
from pack.training.network.kinds.menu import ALGORITHMS, adapters
from pack.training.network.spec import NetworkSpec, TargetSpec
from pack.training.objective.loss import Huber
from pack.training.objective.mask import MaskedLoss
from pack.training.objective.noise import NoiseSpec
from pack.training.objective.preservation import BlankCaption, OnRegularisation, OutsideMask
from pack.training.objective.spec import ObjectiveSpec
from pack.training.objective.weights import MinSNR
from pack.training.optim.numerics import clip_gradients
from pack.training.run.build import build
from pack.training.run.control import Control
from pack.training.specs import RunSpec


def masked(count: int):
    mask = torch.zeros(64, 64, 3)
    mask[:, :16] = 1
    return tuple(replace(sample, mask=TensorPicture(mask, "m") if number % 2 else None) for number, sample in enumerate(pictures(count)))


@pytest.fixture
def reads(monkeypatch):
    """(key, thread) of every entry that is read from a cache on disk."""
    seen: list[tuple[str, int]] = []
    get = TensorStore.get
    monkeypatch.setattr(TensorStore, "get", lambda self, key: seen.append((key, threading.get_ident())) or get(self, key))
    return seen


def built(folder, **given):
    bench = Bench(folder / "run", given.pop("run_spec", RunSpec(run_name="run", steps=6, seed=1)), cache_folder=folder / "cache", **given)
    return bench, build(bench.order(), Control(), bench.recorder)


def test_every_entry_is_read_once_a_step_and_ahead_of_it(tmp_path, reads):
    """Of picture and caption, each, but for the first step, by another thread."""
    bench = Bench(tmp_path / "run", RunSpec(run_name="run", steps=6, gradient_accumulation=2, seed=1), samples=masked(4),
                  cache_folder=tmp_path / "cache")
    bench.run()
    assert len(reads) == 6 * 2 * 2
    here = [thread for _, thread in reads].count(threading.get_ident())
    assert here == 2


def test_what_was_read_ahead_is_what_would_be_read_now(tmp_path):
    _, run = built(tmp_path, samples=masked(4), run_spec=RunSpec(run_name="run", steps=6, batch_size=2, seed=1))
    feed = run.trainer.stepper.feed
    for step in range(3):
        (draws,) = run.trainer.plan.group(step)
        now = feed.batch(draws)
        feed.prepare(draws)
        feed.prepare(draws)
        ahead = feed.batch(draws)
        assert torch.equal(now.latents, ahead.latents) and torch.equal(now.weights, ahead.weights)
        assert torch.equal(now.masks, ahead.masks)
        for one, other in zip(now.conditions, ahead.conditions, strict=True):
            assert one.geometry == other.geometry and torch.equal(one.text.tensors["cond"], other.text.tensors["cond"])


def test_what_has_vanished_is_encoded_by_who_needs_it(tmp_path):
    bench, run = built(tmp_path)
    (draws,) = run.trainer.plan.group(0)
    feed, expected, threads = run.trainer.stepper.feed, run.trainer.stepper.feed.batch(draws), []
    for path in (tmp_path / "cache").rglob("*.safetensors"):
        path.unlink()
    bench.image_encoder.encode = lambda pixels: threads.append(threading.get_ident()) or TinyImageEncoder().encode(pixels)
    feed.prepare(draws)
    assert torch.equal(feed.batch(draws).latents, expected.latents)
    assert threads == [threading.get_ident()]


def test_an_error_of_the_reader_is_told_where_it_is_needed(tmp_path, monkeypatch):
    _, run = built(tmp_path)
    (draws,) = run.trainer.plan.group(0)
    feed = run.trainer.stepper.feed

    def fail(self, key):
        raise DatasetError("Train LoRA", [f"by {threading.current_thread() is threading.main_thread()}"])

    monkeypatch.setattr(TensorStore, "get", fail)
    feed.prepare(draws)
    with pytest.raises(DatasetError, match="by True"):
        feed.batch(draws)


class Waits(TorchDispatchMode):
    """Copies from main memory that the host waits for. (A read of the device is an error by itself: meta has no values.)"""

    def __init__(self):
        super().__init__()
        self.found: list[str] = []
        self.copies = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        made = func(*args, **kwargs)
        if func is torch.ops.aten._to_copy.default and args[0].device.type == "cpu" and made.device.type == "meta":
            self.copies += 1
            self.found += [] if kwargs.get("non_blocking") else [f"{tuple(made.shape)} {made.dtype}"]
        return made


class Numbers(TorchFunctionMode):
    """Python's numbers that become tensors on the device, by a copy that the host waits for and no dispatch mode sees."""

    def __init__(self):
        super().__init__()
        self.found: list[str] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        if func in (torch.tensor, torch.as_tensor) and made.device.type == "meta":
            self.found.append(str(args))
        return made


@pytest.mark.parametrize("objective", [
    ObjectiveSpec(),
    ObjectiveSpec(loss=Huber(), weighting=MinSNR(), noise=NoiseSpec(offset=0.1, input_perturbation=0.1), stratified=True),
    ObjectiveSpec(masked_loss=MaskedLoss(unmasked_probability=0.5), preservation=OutsideMask()),
    ObjectiveSpec(preservation=OnRegularisation()),
    ObjectiveSpec(preservation=BlankCaption()),
    ObjectiveSpec(noise=NoiseSpec(offset=0.1, adaptive_offset=0.05, multires_iterations=3)),
])
def test_the_host_waits_for_nothing_before_it_reads_the_losses(tmp_path, monkeypatch, objective):
    """On a card, whose place meta takes: forward, backward, clipping and the average."""
    waits = waits_of_a_step(tmp_path, monkeypatch, objective=objective)
    assert waits.copies >= 5 and not waits.found


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_no_kind_of_adapter_makes_it_wait(tmp_path, monkeypatch, algorithm):
    """Nor the bound on the norms after the update."""
    limit = 1.0 if adapters.get(algorithm).has_norm else 0.0
    waits = waits_of_a_step(tmp_path, monkeypatch, network=NetworkSpec(
        algorithm=algorithm, rank=4, scale_weight_norms=limit, targets=TargetSpec(preset="all linear")))
    assert waits.copies >= 5 and not waits.found


def waits_of_a_step(folder, monkeypatch, **given) -> Waits:
    monkeypatch.setattr("pack.training.devices.upload.reads_main_memory", lambda device: device.type == "meta")
    samples = tuple(replace(sample, role=REGULARISATION) if n == 1 else sample for n, sample in enumerate(masked(4)))
    bench = Bench(folder / "run", RunSpec(run_name="run", steps=2, batch_size=4, seed=1), samples=samples, **given)
    bench.model.to("meta")
    bench.denoiser.device = torch.device("meta")
    bench.optimizer = replace(bench.optimizer, ema_decay=0.9)
    run = build(bench.order(), Control(), bench.recorder)
    trainer = run.trainer
    (draws,) = trainer.plan.group(0)
    with attached(run.network, list(bench.order().parts), checkpointing=False), Waits() as waits, Numbers() as numbers:
        losses = trainer.stepper.look(draws, [(i, 4) for i in range(4)])
        trainer.updater.backward(losses.trained.sum())
        clip_gradients([parameter for _, parameter in run.network.named_parameters()], 1.0)
        run.network.bound_norms()
        trainer.updater.ema.update()
    waits.found += numbers.found
    return waits
