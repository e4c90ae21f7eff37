"""Datasets of a few flat pictures with small buckets."""

from __future__ import annotations

import torch

from pack.training.data.dataset import Dataset, Sample
from pack.training.data.from_graph.graph_images import TensorPicture
from pack.training.data.specs import BucketSpec

SPEC = BucketSpec(resolution=64, min_bucket=32, max_bucket=128, bucket_step=32)


def flat(width: int, height: int, colour: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> TensorPicture:
    return TensorPicture(torch.tensor(colour).expand(height, width, 3), "p")


def dataset(*samples: Sample, **fields) -> Dataset:
    return Dataset(samples=samples, **fields).with_buckets(SPEC)


def sample(name: str, picture: TensorPicture | None = None, **fields) -> Sample:
    return Sample(**{"name": name, "picture": picture or flat(64, 64), "caption": "c", **fields})
