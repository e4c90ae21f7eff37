"""A real run of the pack, and the most that torch's allocator had handed out in it: the profiler is told of every allocation, whoever made
it, so that what a kernel takes for itself counts too."""

from __future__ import annotations

import gc
import importlib
import tempfile
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from pack.tests.comfy.full_size import CONFIGS
from pack.tests.comfy.newer_configs import completed
from pack.tests.gpu.models import GROUND, text_of
from pack.training.data.dataset import Dataset, Sample
from pack.training.data.from_graph.graph_images import TensorPicture
from pack.training.data.specs import BucketSpec
from pack.training.events import Emitter, Message
from pack.training.memory.choice import MemoryChoice
from pack.training.network.spec import NetworkSpec
from pack.training.objective.spec import ObjectiveSpec
from pack.training.optim.spec import OptimizerSpec
from pack.training.order import Order
from pack.training.protocols import TextCondition
from pack.training.recipe import Recipe
from pack.training.run.carry_out import carry_out
from pack.training.run.control import Control
from pack.training.specs import DTYPES, RunSpec

CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True)
class Run:
    """`config` is laid over that of the full-size `family`; `bucket` is (width, height) in pixels."""

    family: str
    config: tuple[tuple[str, object], ...] = ()
    precision: str = "fp32"
    bucket: tuple[int, int] = (256, 256)
    batch: int = 1
    accumulation: int = 1
    algorithm: str = "lora"
    rank: int = 16
    conv_rank: int = 0
    optimizer: str = "AdamW"
    ema: float = 0.0
    recompute: str | tuple[str, ...] = "none"


@dataclass(frozen=True)
class Found:
    """Bytes beside the model: planned, and at most handed out."""

    planned: int
    held: int

    @property
    def error(self) -> float:
        """Of the plan, as a share of what was held."""
        return self.planned / self.held - 1


def model_of(run: Run):
    """A MODEL with random weights, in the dtype that is computed in."""
    name, config = CONFIGS[run.family]
    supported, patchers = (importlib.import_module(f"comfy.{name}") for name in ("supported_models", "model_patcher"))
    dtype = DTYPES[run.precision]
    with torch.inference_mode():
        made = getattr(supported, name)(completed(GROUND, config | dict(run.config)))
        made.set_inference_dtype(dtype, None)
        model = made.get_model({}, device=CPU)
        for parameter in model.diffusion_model.parameters():
            parameter.fill_(1.0) if parameter.ndim == 1 else parameter.normal_(0, parameter[0].numel() ** -0.5)
        return patchers.ModelPatcher(model, load_device=CPU, offload_device=CPU)


def measure(run: Run, patcher, steps: int = 2) -> Found:
    """What a run of as many `steps` was planned to hold beside the model, and what it held."""
    watch = _Watch()
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        planned, adapters = _planned(_order(run, patcher, Path(folder) / "run", steps), watch)
    return Found(planned, adapters + watch.most())


def _planned(order: Order, watch: _Watch) -> tuple[int, int]:
    """The run, and bytes: of its plan, and of its adapters. Nothing of it is left."""
    built = carry_out(order, Control(), Emitter([watch])).built
    return built.room.way.beside, sum(own.nbytes for _, own in built.network.named_parameters())


class _Watch:
    """A listener that watches from when the plan is made, before anything is encoded; the adapters are there by then. It is closed when
    all of that is gone again: what the profiler saw come and not go, it would take for part of another run."""

    name, critical = "the allocator", True

    def __init__(self) -> None:
        self._profile = profile(activities=[ProfilerActivity.CPU], profile_memory=True)

    def __call__(self, event) -> None:
        if isinstance(event, Message) and event.topic == "memory":
            self._profile.__enter__()

    def most(self) -> int:
        """The most bytes that were handed out."""
        gc.collect()
        self._profile.__exit__(None, None, None)
        events = [event for event in self._profile.profiler.kineto_results.events() if event.name() == "[memory]"]
        return max(accumulate(event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())))


def _order(run: Run, patcher, folder: Path, steps: int) -> Order:
    from pack.host.session import Session
    from pack.tests.gpu.orders import Encoded

    session, generator = Session(patcher, precision=run.precision), torch.Generator().manual_seed(1)
    width, height = run.bucket
    latent = torch.randn(1, patcher.model.latent_format.latent_channels, height // 8, width // 8, generator=generator)
    text = text_of(run.family, patcher.model.model_config.unet_config, generator)
    samples = [Sample(name=name, picture=TensorPicture(torch.full((height, width, 3), 0.5), name), caption=name)
               for name in map(str, range(run.batch * run.accumulation))]
    recipe = Recipe(
        dataset=Dataset(samples=tuple(samples)).with_buckets(
            BucketSpec(resolution=round((width * height) ** 0.5), min_bucket=64, max_bucket=2048, bucket_step=64)),
        network=NetworkSpec(algorithm=run.algorithm, rank=run.rank, alpha=float(run.rank), conv_rank=run.conv_rank,
                            conv_alpha=float(run.conv_rank)),
        optimizer=OptimizerSpec(optimizer=run.optimizer, ema_decay=run.ema), objective=ObjectiveSpec(),
        run=RunSpec(steps=steps, batch_size=run.batch, gradient_accumulation=run.accumulation, precision=run.precision),
    )
    return Order(
        recipe=recipe, folder=folder, cache_folder=None, denoiser=session.denoiser, parts=session.parts(), image_encoder=Encoded(latent),
        text_encoder=Encoded(TextCondition(tensors=text)), sampler=None, training=session.training, rehearsal=session.rehearsal,
        returned=session.returned, reserve=session.reserve, memory=MemoryChoice(recompute=run.recompute), model_identity=repr(run),
        scale_gradients=session.dtype is torch.float16,
    )
