"""Several datasets as one; each picture keeps the buckets and captions that it brings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from ..dataset import Dataset


def merge_datasets(datasets: Sequence[Dataset]) -> Dataset:
    """All samples in the order given.

    Pictures of the same name get their dataset's folder, or number, in front: random crops and caption variants
    follow the name.
    """
    folders = Counter(dataset.facts.get("folder", "") for dataset in datasets)
    counts = Counter(name for dataset in datasets for name in {sample.name for sample in dataset.samples})
    samples = []
    for number, dataset in enumerate(datasets, start=1):
        folder = dataset.facts.get("folder", "")
        label = folder if folder and folders[folder] == 1 else f"dataset {number}"
        for sample in dataset.samples:
            name = f"{label}/{sample.name}" if counts[sample.name] > 1 else sample.name
            samples.append(replace(sample, name=name))
    return Dataset(
        samples=tuple(samples),
        problems=tuple(problem for dataset in datasets for problem in dataset.problems),
        warnings=tuple(warning for dataset in datasets for warning in dataset.warnings),
        left_out=tuple(name for dataset in datasets for name in dataset.left_out),
        facts={"folder": " + ".join(folder for folder in folders if folder)},
    )
