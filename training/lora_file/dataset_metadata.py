"""ss_* entries of the pictures: folders, tags, buckets, caption rules. Names of folders, never paths."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..data.captions import trained_tags
from ..data.dataset import REGULARISATION, TRAINING
from ..data.specs import RandomCrops

if TYPE_CHECKING:
    from ..data.batches import BatchPlan
    from ..data.dataset import Dataset, Sample
    from ..data.specs import BucketSpec, CaptionSpec, Size

#: The folder's name for pictures that lie in the dataset's own folder, or came through the graph.
UNNAMED = "pictures"


def dataset_entries(dataset: "Dataset", plan: "BatchPlan", batch_size: int) -> dict[str, Any]:
    trained = [sample for sample in dataset.samples if sample.is_trained]
    pictures, regularisation = _in_role(TRAINING, trained), _in_role(REGULARISATION, trained)
    captions, buckets, frequency = dataset.captions, dataset.buckets, tag_frequency(trained)
    return {
        "ss_num_train_images": _draws(pictures),
        "ss_num_reg_images": _draws(regularisation),
        "ss_num_validation_images": len(dataset.samples) - len(trained),
        "ss_batch_size_per_device": batch_size,
        "ss_total_batch_size": plan.batch_size,
        "ss_dataset_dirs": json.dumps(_folders(pictures)),
        "ss_reg_dataset_dirs": json.dumps(_folders(regularisation)),
        "ss_tag_frequency": json.dumps(frequency),
        "ss_bucket_info": json.dumps(_bucket_info(plan)),
        "ss_datasets": json.dumps([_dataset(area, dataset, trained, frequency, plan, batch_size) for area in buckets.areas()]),
        **_rules(buckets, captions),
    }


def tag_frequency(samples: Sequence["Sample"]) -> dict[str, dict[str, int]]:
    """Folder -> tag -> how many pictures of it are trained with the tag, most frequent first."""
    frequency: dict[str, Counter[str]] = {}
    for sample in samples:
        frequency.setdefault(sample.folder or UNNAMED, Counter()).update(sorted(trained_tags(sample)))
    return {folder: dict(counts.most_common()) for folder, counts in frequency.items()}


def _in_role(role: str, samples: Sequence["Sample"]) -> list["Sample"]:
    return [sample for sample in samples if sample.role == role]


def _draws(samples: Sequence["Sample"]) -> int:
    return sum(sample.repeats for sample in samples)


def _by_folder(samples: Sequence["Sample"]) -> dict[str, list["Sample"]]:
    folders: dict[str, list[Sample]] = {}
    for sample in samples:
        folders.setdefault(sample.folder or UNNAMED, []).append(sample)
    return folders


def _folders(samples: Sequence["Sample"]) -> dict[str, dict[str, int]]:
    return {name: {"n_repeats": own[0].repeats, "img_count": len(own)} for name, own in _by_folder(samples).items()}


def _bucket_info(plan: "BatchPlan") -> dict[str, Any]:
    counts = plan.bucket_counts().items()
    return {"buckets": {str(i): {"resolution": list(size), "count": count} for i, (size, count) in enumerate(counts)}}


def _rules(buckets: "BucketSpec", captions: "CaptionSpec") -> dict[str, Any]:
    """Caption and bucket rules in kohya's flat form, for readers that do not look into ss_datasets."""
    return {
        "ss_resolution": str(buckets.areas()[0]),
        "ss_enable_bucket": True,
        "ss_bucket_no_upscale": buckets.no_upscale,
        "ss_min_bucket_reso": buckets.min_bucket,
        "ss_max_bucket_reso": buckets.max_bucket,
        "ss_flip_aug": buckets.flip,
        "ss_random_crop": isinstance(buckets.crop, RandomCrops),
        "ss_color_aug": buckets.colour > 0,
        "ss_shuffle_caption": captions.shuffle,
        "ss_keep_tokens": captions.keep_tokens,
        "ss_caption_dropout_rate": captions.caption_dropout,
        "ss_caption_dropout_every_n_epochs": captions.caption_dropout_every_n_epochs,
        "ss_caption_tag_dropout_rate": captions.tag_dropout,
    }


def _dataset(
    area: "Size", dataset: "Dataset", samples: Sequence["Sample"], frequency: Mapping[str, Mapping[str, int]], plan: "BatchPlan",
    batch_size: int,
) -> Mapping[str, Any]:
    """One of kohya's datasets: a resolution with all folders as its subsets."""
    buckets = dataset.buckets
    return {
        "is_dreambooth": True,
        "batch_size_per_device": batch_size,
        "num_train_images": _draws(_in_role(TRAINING, samples)),
        "num_reg_images": _draws(_in_role(REGULARISATION, samples)),
        "resolution": list(area),
        "enable_bucket": True,
        "bucket_no_upscale": buckets.no_upscale,
        "min_bucket_reso": buckets.min_bucket,
        "max_bucket_reso": buckets.max_bucket,
        "tag_frequency": frequency,
        "bucket_info": _bucket_info(plan),
        "subsets": [_subset(name, own, dataset) for name, own in _by_folder(samples).items()],
    }


def _subset(name: str, samples: Sequence["Sample"], dataset: "Dataset") -> Mapping[str, Any]:
    captions, buckets, first = dataset.captions, dataset.buckets, samples[0]
    return {
        "img_count": len(samples),
        "num_repeats": first.repeats,
        "color_aug": buckets.colour > 0,
        "flip_aug": buckets.flip,
        "random_crop": isinstance(buckets.crop, RandomCrops),
        "shuffle_caption": captions.shuffle,
        "keep_tokens": captions.keep_tokens,
        "caption_dropout_rate": captions.caption_dropout,
        "caption_tag_dropout_rate": captions.tag_dropout,
        "image_dir": name,
        "class_tokens": captions.trigger or first.class_words or None,
        "is_reg": first.role == REGULARISATION,
    }
