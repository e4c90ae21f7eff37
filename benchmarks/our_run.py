"""This pack on the benchmark's workload: a real run, with one picture and caption already encoded."""

from __future__ import annotations

import tempfile
from pathlib import Path

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


def run(steps: int, checkpointing: bool, targets: str) -> tuple[Meter, int]:
    from pack.host.session import Session
    from pack.training.data.buckets import BucketSpec
    from pack.training.data.captions import CaptionSpec
    from pack.training.data.dataset import Dataset, Sample
    from pack.training.data.pictures import TensorPicture
    from pack.training.events import Emitter, StepDone
    from pack.training.network.spec import NetworkSpec, TargetSpec
    from pack.training.objective.spec import ObjectiveSpec
    from pack.training.optim.spec import OptimizerSpec
    from pack.training.protocols import TextCondition
    from pack.training.run.build import Order
    from pack.training.run.control import Control
    from pack.training.run.run import run as train
    from pack.training.specs import RunSpec

    session = Session(workload.sd15_patcher(), precision="fp32")
    meter = Meter()

    class Steps:
        critical = True

        def __call__(self, event):
            if isinstance(event, StepDone):
                meter.step()

    picture = TensorPicture(torch.zeros(workload.SIDE, workload.SIDE, 3), "one picture")
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        order = Order(
            dataset=Dataset(
                samples=(Sample(name="one picture", picture=picture, caption="one"),), captions=CaptionSpec(),
                buckets=BucketSpec(resolution=workload.SIDE, min_bucket=64, max_bucket=1024, bucket_step=64),
            ),
            network=NetworkSpec(rank=workload.RANK, alpha=float(workload.RANK), targets=TargetSpec(preset=targets)),
            optimizer=OptimizerSpec(learning_rate=workload.LEARNING_RATE, scheduler="constant"), objective=ObjectiveSpec(),
            preview=None, run=RunSpec(steps=steps, gradient_checkpointing=checkpointing), folder=Path(folder) / "run",
            cache_folder=None, denoiser=session.denoiser, parts=session.parts(), image_encoder=Encoded(workload.latent()),
            text_encoder=Encoded(TextCondition(tensors={"cond": workload.text()})), sampler=None,
            training=session.training, returned=session.returned, reserve=session.reserve, model_identity="benchmark",
        )
        result = train(order, Control(), Emitter([Steps()]), lambda *_: {})
    return meter, result.built.network.parameter_count()
