"""Several datasets as one; each picture keeps the buckets and captions of the dataset it came from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from .captions import CaptionSpec
from .dataset import Dataset, Sample


def merge_datasets(datasets: Sequence[Dataset]) -> Dataset:
    """All samples in the order given. The merged dataset's own specs are the first one's.

    Pictures of the same name get their dataset's folder, or number, in front: random crops and caption variants
    follow the name.
    """
    first = datasets[0]
    folders = Counter(dataset.facts.get("folder", "") for dataset in datasets)
    counts = Counter(name for dataset in datasets for name in {sample.name for sample in dataset.samples})
    samples = []
    for number, dataset in enumerate(datasets, start=1):
        folder = dataset.facts.get("folder", "")
        label = folder if folder and folders[folder] == 1 else f"dataset {number}"
        for sample in dataset.samples:
            name = f"{label}/{sample.name}" if counts[sample.name] > 1 else sample.name
            samples.append(replace(_with_own_specs(sample, dataset, first), name=name))
    return Dataset(
        samples=tuple(samples), buckets=first.buckets, captions=first.captions,
        problems=tuple(problem for dataset in datasets for problem in dataset.problems),
        warnings=tuple(warning for dataset in datasets for warning in dataset.warnings),
        facts={"folder": " + ".join(folder for folder in folders if folder)},
    )


def _with_own_specs(sample: Sample, dataset: Dataset, first: Dataset) -> Sample:
    buckets = sample.buckets or (dataset.buckets if dataset.buckets != first.buckets else None)
    captions = sample.captions or (dataset.captions if dataset.captions != first.captions else None)
    return replace(sample, buckets=buckets, captions=captions)


def with_captions(dataset: Dataset, spec: CaptionSpec) -> Dataset:
    """The dataset with `spec` for all of its captions; an empty trigger keeps the trigger that each picture has."""

    def keeping_trigger(old: CaptionSpec) -> CaptionSpec:
        return spec if spec.trigger.strip() else replace(spec, trigger=old.trigger)

    captions = keeping_trigger(dataset.captions)
    samples = []
    for sample in dataset.samples:
        own = keeping_trigger(sample.captions) if sample.captions else None
        samples.append(replace(sample, captions=own if own != captions else None))
    return replace(dataset, captions=captions, samples=tuple(samples))
