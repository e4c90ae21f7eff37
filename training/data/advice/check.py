"""What makes a dataset unfit for training, all of it, before any work starts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...inputs import LONG, half_character
from ...wording import count, some
from ..captions import TRIGGER, wildcard_problem
from ..dataset import REGULARISATION, Dataset, Sample


def caption_problems(dataset: Dataset) -> tuple[str, ...]:
    """Pictures that would be trained without any text, [trigger] placeholders without a trigger word, and captions that no text
    encoder can be given."""
    missing, unfilled = [], []
    for sample in dataset.samples:
        spec = sample.captions
        if sample.condition is not None or spec.allow_empty:
            continue
        if not has_text(sample):
            missing.append(sample.name)
        if is_unfilled(sample):
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
    return (*problems, *unfit_captions(dataset.samples))


def unfit_captions(samples: Iterable[Sample]) -> Iterator[str]:
    """Captions that are too long, hold half a character, or wildcards that are too deep; the same fault is said once."""
    found: dict[str, list[str]] = {}
    for sample in samples:
        if sample.condition is None and (problem := unfit(sample)):
            found.setdefault(problem, []).append(sample.name)
    for problem, names in found.items():
        yield f"{some(names)}: {problem}"


def unfit(sample: Sample) -> str | None:
    """Why no text encoder can be given the sample's caption."""
    text = sample.caption or sample.class_words
    if problem := half_character(text):
        return f"the caption {problem}"
    longest = max((len(line) for line in ([text] if sample.captions.lines == "all" else text.splitlines())), default=0)
    if longest > LONG:
        return f"the caption has {longest:,} characters, but may have {LONG:,}. Shorten it."
    problem = wildcard_problem(text) if sample.captions.wildcards else None
    return f"{problem}. Write them flatter, or switch wildcards off on Caption Config." if problem else None


def is_unfilled(sample: Sample) -> bool:
    """Whether [trigger] stands there and there is no trigger word."""
    spec = sample.captions
    return TRIGGER in sample.caption + spec.prefix + spec.suffix and not spec.trigger.strip() and sample.role != REGULARISATION


def has_text(sample: Sample) -> bool:
    """Whether it is trained with any text at all."""
    if sample.caption.strip() or sample.class_words:
        return True
    spec = sample.captions
    return sample.role != REGULARISATION and any(text.strip() for text in (spec.trigger, spec.prefix, spec.suffix))
