"""A real run of the pack on a model that lies in memory, its latents and captions made beforehand: no VAE, no CLIP."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from pack.host.session import Session
from pack.training.data.dataset import Dataset, Sample
from pack.training.data.from_graph.graph_images import TensorPicture
from pack.training.data.specs import BucketSpec
from pack.training.events import Emitter, Message, RunEnded, StepDone
from pack.training.network.spec import NetworkSpec, TargetSpec
from pack.training.objective.spec import ObjectiveSpec
from pack.training.optim.schedules import Constant, Schedule
from pack.training.optim.spec import OptimizerSpec
from pack.training.order import Order
from pack.training.protocols import TextCondition
from pack.training.recipe import Recipe
from pack.training.run.carry_out import carry_out
from pack.training.run.control import Control
from pack.training.specs import RunSpec

from . import models
from .measure import Clock, counted_syncs, traced

_KEPT: dict = {}


class Encoded:
    """Image and text encoder whose results were made beforehand."""

    identity, downscale = "gpu check", 8

    def __init__(self, encoded):
        self._encoded = encoded

    def encode(self, given):
        return self._encoded.expand(len(given), *self._encoded.shape[1:]) if torch.is_tensor(given) else self._encoded

    encode_trainable = encode

    def frozen(self, trained):
        return None


@dataclass(frozen=True)
class Work:
    """What is trained, and how. `stored` is the base's dtype, `precision` what is computed in; `side` in pixels."""

    family: str
    stored: torch.dtype
    side: int
    precision: str = "bf16"
    checkpointing: bool = True
    targets: str = "attention + feed-forward"
    steps: int = 6
    is_traced: bool = True
    deterministic: bool = False
    compile: str = "off"


def model_for(comfy, options, work: Work):
    """Kept for the next run of the same model; others are dropped."""
    key = work.family, work.stored
    if key not in _KEPT:
        drop_models(comfy)
        _KEPT[key] = models.full_model(comfy, work.family, work.stored, torch.bfloat16, options.tiny)
    return _KEPT[key]


def drop_models(comfy) -> None:
    _KEPT.clear()
    models.free_all(comfy)


def order_for(comfy, patcher, work: Work, folder: str) -> tuple[Session, Order]:
    session = Session(patcher, precision=work.precision)
    generator = torch.Generator().manual_seed(1)
    latent = torch.randn(1, patcher.model.latent_format.latent_channels, work.side // 8, work.side // 8, generator=generator)
    text = models.text_of(work.family, patcher.model.model_config.unet_config, generator)
    sample = Sample(name="one", picture=TensorPicture(torch.full((work.side, work.side, 3), 0.5), "one"), caption="one")
    recipe = Recipe(
        dataset=Dataset(samples=(sample,)).with_buckets(BucketSpec(resolution=work.side, min_bucket=64)),
        network=NetworkSpec(rank=16, alpha=16.0, targets=TargetSpec(preset=work.targets)),
        optimizer=OptimizerSpec(schedule=Schedule(Constant(), warmup_percent=0.0)), objective=ObjectiveSpec(),
        run=RunSpec(steps=work.steps + 2 * work.is_traced, gradient_checkpointing=work.checkpointing, precision=work.precision,
                    deterministic=work.deterministic, compile=work.compile),
    )
    return session, Order(
        recipe=recipe, folder=Path(folder), cache_folder=None, denoiser=session.denoiser, parts=session.parts(),
        image_encoder=Encoded(latent), text_encoder=Encoded(TextCondition(tensors=text)), sampler=None, training=session.training,
        rehearsal=session.rehearsal, returned=session.returned, reserve=session.reserve, restored=session.restored,
        unrecordable=session.unrecordable, make_room=session.make_room, free=session.free, copies=session.bytes_of_copies(),
        model_identity="gpu check",
        scale_gradients=session.dtype is torch.float16,
    )


class _Steps:
    """A listener: times steps, then counts the waits of one step and looks into another."""

    critical, name = True, "steps"

    def __init__(self, comfy, work: Work, each_step: Callable[[int], None]):
        self._comfy, self._work, self._each_step = comfy, work, each_step
        self.clock = Clock(comfy)
        self.losses, self.found = [], {}
        self._stack = ExitStack()

    def __call__(self, event) -> None:
        if isinstance(event, Message) and event.topic in ("memory", "compile"):
            self.found.setdefault({"memory": "plan"}.get(event.topic, event.topic), event.text)
        if isinstance(event, RunEnded):
            self._stack.close()
        if not isinstance(event, StepDone):
            return
        self.losses.append(event.loss)
        self._stack.close()
        seen = len(self.losses)
        self._each_step(seen)
        if seen <= self._work.steps:
            self.clock.step()
        if seen == self._work.steps:
            self.found |= self.clock.peaks()
            if self._work.is_traced:
                self._stack.enter_context(counted_syncs(self._comfy, self.found))
        elif seen == self._work.steps + 1 and self._work.is_traced:
            self._stack.enter_context(traced(self._comfy, self.found))


def run_pack(comfy, options, work: Work, model=None, each_step: Callable[[int], None] = lambda _: None) -> tuple[dict, object]:
    """(what was measured, the run's Result). `each_step` is told after every step how many were made."""
    if options.tiny:
        work = replace(work, side=64, steps=2)
    patcher = models.patcher_of(comfy, model if model is not None else model_for(comfy, options, work))
    steps, planned = _Steps(comfy, work, each_step), {}
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        session, order = order_for(comfy, patcher, work, folder + "/run")
        order = replace(order, reserve=lambda size: (planned.update(bytes=size), session.reserve(size)))
        weights = patcher.model_size()
        steps.clock.start()
        result = carry_out(order, Control(), Emitter([steps]))
        on_device = patcher.loaded_size()
    found = {
        "family": work.family, "side": work.side, "stored": str(work.stored)[6:], "compute": work.precision, "ckpt": work.checkpointing,
        "s_step": steps.clock.seconds(min(2, work.steps - 1)), "plan_gib": planned.get("bytes", 0) / 2**30, "weights_gib": weights / 2**30,
        "loaded": on_device / weights, "trained": result.built.network.parameter_count(), "modules": len(result.built.network),
        "losses": steps.losses[:4], **steps.found,
    }
    # Beside the weights that lie on the device is what the plan speaks of: adapters, their gradients and state, activations.
    found["beside_gib"] = found.get("peak_gib", 0.0) - (0.0 if comfy.dynamic else on_device / 2**30)
    return found, result


def told(found: dict) -> str:
    """In one line."""
    return (f"{found['family']} {found['side']} {found['stored']}->{found['compute']} ckpt={found['ckpt']}: {found['s_step']:.3f} s/step, "
            f"peak {found.get('peak_gib', 0):.2f} GiB (reserved {found.get('reserved_gib', 0):.2f}), beside weights "
            f"{found['beside_gib']:.2f} against plan {found['plan_gib']:.2f}, loaded {found['loaded']:.0%}, "
            f"syncs {found.get('syncs')}, waits {found.get('waits')}, kernels {found.get('kernels')}, busy {found.get('busy')}")
