"""What a user can act on, as plain text: what a dataset holds, and what bucketing does to it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from ...wording import MANY, count, some
from ..dataset import TRAINING, Dataset, Sample
from ..items import Item

MUCH = 0.1
"""The part of a picture that may be cropped before it is told."""


def dataset_report(dataset: Dataset) -> str:
    """Folder by folder: pictures, repeats, captions, masks; then what is wrong."""
    samples = dataset.samples
    training = [sample for sample in samples if sample.is_trained]
    lines = [f"{count(len(samples), 'picture')}, {count(sum(s.repeats for s in training), 'draw')} an epoch"]
    groups: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        groups.setdefault((sample.role, sample.folder), []).append(sample)
    for (role, folder), members in groups.items():
        spoken = "" if role == TRAINING else f"{role} "
        lines.append(f"  {spoken}{folder or '(top folder)'}: {_group(members)}")
    lines += _section("Cannot be used", dataset.problems)
    lines += _section("Note", [*dataset.warnings, *_missing_captions(samples), *several_lines(samples)])
    return "\n".join(lines)


def _group(members: Sequence[Sample]) -> str:
    repeats = sorted({sample.repeats for sample in members})
    times = str(repeats[0]) if len(repeats) == 1 else f"{repeats[0]} to {repeats[-1]}"
    parts = [count(len(members), "picture"), f"repeats {times}"]
    captioned = sum(bool(sample.caption.strip()) for sample in members)
    parts.append("all captioned" if captioned == len(members) else f"{captioned} captioned")
    if members[0].class_words and captioned < len(members):
        parts.append(f"the others as '{members[0].class_words}'")
    masked = sum(sample.mask is not None for sample in members)
    shown = sum(bool(sample.references) for sample in members)
    clips = Counter(sample.picture.frames for sample in members if sample.picture.frames > 1)
    parts += [f"{masked} with a mask file"] if masked else []
    parts += [f"{shown} with references"] if shown else []
    return ", ".join([*parts, *(f"{number} with {frames} frames" for frames, number in sorted(clips.items()))])


def _missing_captions(samples: Iterable[Sample]) -> list[str]:
    missing = [sample.name for sample in samples if not sample.caption.strip() and not sample.class_words]
    if not missing:
        return []
    return [f"{count(len(missing), 'picture')} without a caption: {some(missing)}. Add captions, or set a trigger word."]


def has_lines(sample: Sample) -> bool:
    """Whether its caption has several lines, one of which is drawn."""
    return sample.condition is None and sample.captions.lines == "random" and len(sample.caption.strip().splitlines()) > 1


def several_lines(samples: Iterable[Sample]) -> list[str]:
    """What becomes of captions that hold several lines, where only one of them is trained at a time."""
    names = [sample.name for sample in samples if has_lines(sample)]
    if not names:
        return []
    return [f"{count(len(names), 'caption')} with several lines: {some(names)}. Each line is a caption of its own, drawn at random; "
            "set lines to 'all' on Caption Config if they belong together."]


def _section(title: str, lines: Iterable[str], limit: int = 30) -> list[str]:
    lines = list(lines)
    if not lines:
        return []
    shown = [f"  {line}" for line in lines[:limit]]
    more = [f"  and {len(lines) - limit} more"] if len(lines) > limit else []
    return ["", f"{title}:", *shown, *more]


def bucket_report(items: Sequence[Item], batch_size: int) -> str:
    """Bucket by bucket: pictures, draws, batches and how many are short; then the worst crops and enlargements."""
    training = [item for item in items if item.sample.is_trained]
    pictures, draws = Counter(item.shape for item in training), Counter()
    for item in training:
        draws[item.shape] += item.sample.repeats
    batches = sum(math.ceil(n / batch_size) for n in draws.values())
    lines = [f"{count(len(pictures), 'bucket')}, {count(batches, 'batch')} of {batch_size} an epoch"]
    for bucket in sorted(pictures, key=lambda size: size[0] / size[1]):
        left = draws[bucket] % batch_size
        short = f", the last with {left} of {batch_size}" if left else ""
        full = math.ceil(draws[bucket] / batch_size)
        lines.append(
            f"  {bucket[0]} x {bucket[1]}{f' x {bucket[2]} frames' if len(bucket) > 2 else ''}: {count(pictures[bucket], 'picture')}, "
            f"{count(draws[bucket], 'draw')}, {count(full, 'batch')}{short}"
        )
    lines += _section("Cropped by more than a tenth", _worst(items, cropped_share, MUCH, "{:.0%} of its area"), MANY)
    lines += _section("Enlarged", _worst(items, enlargement, 1.0, "{:.2f} times"), MANY)
    short_batches = sum(1 for n in draws.values() if n % batch_size)
    if short_batches and batch_size > 1:
        advice = f"{short_batches} of these batches are short: each of their pictures weighs more. "
        lines += _section("Note", [advice + "Raise bucket_step, or choose 'merge' for small_buckets."])
    return "\n".join(lines)


def cropped_share(item: Item) -> float:
    """The part of the resized picture's area that is cut away, 0..1."""
    return 1 - math.prod(item.geometry.target) / math.prod(item.resized)


def enlargement(item: Item) -> float:
    """By what factor the picture's sides grow; below 1 it shrinks."""
    return max(item.resized[i] / item.geometry.original[i] for i in (0, 1))


def _worst(items: Iterable[Item], measure, above: float, text: str) -> list[str]:
    found = sorted((-measure(item), item.sample.name) for item in items)
    return [f"{name}: {text.format(-value)}" for value, name in found if -value > above]
