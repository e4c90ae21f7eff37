"""What makes a dataset unfit for training, all of it, before any work starts."""

from __future__ import annotations

from ...wording import count, some
from ..captions import TRIGGER
from ..dataset import REGULARISATION, Dataset, Sample


def caption_problems(dataset: Dataset) -> tuple[str, ...]:
    """Pictures that would be trained without any text, and [trigger] placeholders without a trigger word."""
    missing, unfilled = [], []
    for sample in dataset.samples:
        spec = sample.captions
        if sample.condition is not None or spec.allow_empty:
            continue
        if not _has_text(sample):
            missing.append(sample.name)
        if TRIGGER in sample.caption + spec.prefix + spec.suffix and not spec.trigger.strip() and sample.role != REGULARISATION:
            unfilled.append(sample.name)
    problems = []
    if missing:
        problems.append(
            f"{count(len(missing), 'picture')} without a caption: {some(missing)}. Write captions (or use Auto Caption), set "
            "trigger_word on Load Dataset, or switch allow_empty on in Caption Config."
        )
    if unfilled:
        problems.append(
            f"{count(len(unfilled), 'caption')} with {TRIGGER} but no trigger word is set: {some(unfilled)}. Set trigger_word on "
            "Load Dataset or Caption Config."
        )
    return tuple(problems)


def _has_text(sample: Sample) -> bool:
    if sample.caption.strip() or sample.class_words:
        return True
    spec = sample.captions
    return sample.role != REGULARISATION and any(text.strip() for text in (spec.trigger, spec.prefix, spec.suffix))
