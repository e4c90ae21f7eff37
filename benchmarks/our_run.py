"""This pack on the benchmark's workload: a real run, with one picture and caption already encoded."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks import workload
from benchmarks.meter import Meter


class Encoded:
    """Image and text encoder whose results were made beforehand."""

    identity, downscale = "benchmark", 8

    def __init__(self, encoded):
        self._encoded = encoded

    def encode(self, given):
        return self._encoded.expand(len(given), -1, -1, -1) if torch.is_tensor(given) else self._encoded

    encode_trainable = encode


@dataclass(frozen=True, kw_only=True)
class Work:
    """A MODEL, one encoded picture of `side` x `side` pixels that stands for `pictures`, and its encoded caption."""

    patcher: Any
    latent: torch.Tensor
    text: Mapping[str, torch.Tensor]
    side: int
    pictures: int = 1


def run(steps: int, checkpointing: bool, targets: str, work: Work | None = None, together: bool = False) -> tuple[Meter, int]:
    """SD1.5 at full size, unless told otherwise; `together` with the processes that a launcher started with this one."""
    work = work or Work(patcher=workload.sd15_patcher(), latent=workload.latent(), text={"cond": workload.text()}, side=workload.SIDE)
    from pack.host.session import Session
    from pack.training.data.dataset import Dataset, Sample
    from pack.training.data.from_graph.graph_images import TensorPicture
    from pack.training.data.specs import BucketSpec
    from pack.training.events import Emitter, StepDone
    from pack.training.network.spec import NetworkSpec, TargetSpec
    from pack.training.objective.spec import ObjectiveSpec
    from pack.training.optim.schedules import Constant, Schedule
    from pack.training.optim.spec import OptimizerSpec
    from pack.training.order import Order
    from pack.training.processes.joined import joined
    from pack.training.processes.processes import ALONE
    from pack.training.protocols import TextCondition
    from pack.training.recipe import Recipe
    from pack.training.run.carry_out import carry_out
    from pack.training.run.control import Control
    from pack.training.specs import RunSpec

    session = Session(work.patcher, precision="fp32")
    meter = Meter()

    class Steps:
        name, critical = "the steps", True

        def __call__(self, event):
            if isinstance(event, StepDone):
                meter.step()

    grey = {f"picture {number}": torch.full((work.side, work.side, 3), number / 256) for number in range(work.pictures)}
    buckets = BucketSpec(resolution=work.side, min_bucket=64, max_bucket=1024, bucket_step=64)
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        recipe = Recipe(
            dataset=Dataset(samples=tuple(Sample(name=name, picture=TensorPicture(pixels, name), caption="one", buckets=buckets)
                                          for name, pixels in grey.items())),
            network=NetworkSpec(rank=workload.RANK, alpha=float(workload.RANK), targets=TargetSpec(preset=targets)),
            optimizer=OptimizerSpec(learning_rate=workload.LEARNING_RATE, schedule=Schedule(Constant())), objective=ObjectiveSpec(),
            run=RunSpec(steps=steps, gradient_checkpointing=checkpointing),
        )
        order = Order(
            recipe=recipe, folder=Path(folder) / "run", cache_folder=None, denoiser=session.denoiser,
            parts=session.parts(), image_encoder=Encoded(work.latent),
            text_encoder=Encoded(TextCondition(tensors=work.text)), sampler=None,
            training=session.training, rehearsal=session.rehearsal,
            returned=session.returned, reserve=session.reserve, model_identity="benchmark", processes=joined() if together else ALONE,
        )
        result = carry_out(order, Control(), Emitter([Steps()]))
    return meter, result.built.network.parameter_count()
