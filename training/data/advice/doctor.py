"""One report, before training, of what will hurt. Each finding names the pictures and what to do; none blocks."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from ...errors import DatasetError
from ...wording import count, some
from ..captions import has_word
from ..colour import full_mask
from ..dataset import TRAINING, Dataset, Sample
from ..items import make_items
from ..references import SAME_SHAPE
from .check import caption_problems
from .duplicates import all_looks, groups, near_pairs
from .report import enlargement, several_lines

BLURRED_BY = 1.25
USUAL_WORD = 0.75
FEW = 5
MASK_SHAPE_TOLERANCE = 0.02
_COMMON = frozenset("a an and are at by for from has her his in is it its of on or the their this to with".split())


def diagnose(dataset: Dataset, on_progress: Callable[[int, int], None] | None = None) -> tuple[str, ...]:
    """Every finding as one line; () when all is well. Every picture is opened once, small."""
    samples = dataset.samples
    return (
        *dataset.problems,
        *dataset.warnings,
        *caption_problems(dataset),
        *_caption_findings(samples),
        *_size_findings(dataset),
        *_alpha_findings(samples),
        *_mask_findings(samples),
        *_reference_findings(samples),
        *_duplicate_findings(samples, on_progress),
    )


def doctor_report(findings: Sequence[str]) -> str:
    if not findings:
        return "Nothing found that would hurt."
    return "\n".join([f"{count(len(findings), 'finding')}:", *(f"  - {finding}" for finding in findings)])


def _caption_findings(samples: Sequence[Sample]) -> Iterator[str]:
    samples = [s for s in samples if s.condition is None and s.role == TRAINING]
    for caption, members in sharing(samples).items():
        yield (f"{len(members)} pictures share the caption '{_short(caption)}': {some(sample.name for sample in members)}. Say what "
               "differs, or the LoRA learns the differences as noise.")
    yield from several_lines(samples)
    yield from _usual_word_findings(samples)


def sharing(samples: Iterable[Sample]) -> dict[str, list[Sample]]:
    """The captions that several of the samples have, but for case and spaces."""
    same: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        if sample.caption.strip():
            same[" ".join(sample.caption.lower().split())].append(sample)
    return {caption: members for caption, members in same.items() if len(members) > 1}


def _usual_word_findings(samples: Sequence[Sample]) -> Iterator[str]:
    """The word that nearly all captions have, missing from some: most likely the trigger, misspelt or forgotten."""
    captioned = [sample for sample in samples if sample.caption.strip()]
    triggers = {sample.captions.trigger.strip() for sample in captioned} - {""}
    if triggers or len(captioned) < FEW:
        return
    spoken = [re.findall(r"[\w'-]+", sample.caption.lower()) for sample in captioned]
    words = Counter(word for said in spoken for word in set(said) - _COMMON)
    leading = Counter(said[0] for said in spoken if said)
    usual = [(n, leading[word], word) for word, n in words.items() if USUAL_WORD * len(captioned) <= n < len(captioned)]
    if not usual or max(words.values()) == len(captioned):
        return
    word = max(usual)[2]
    without = [sample.name for sample in captioned if not has_word(sample.caption, word)]
    yield (f"'{word}' is in most captions but not in {some(without)}. If it is your trigger word, set it as trigger_word on "
           "Load Dataset: it is then put into every caption.")


def _size_findings(dataset: Dataset) -> Iterator[str]:
    enlarged = {}
    for item in make_items(dataset):
        if enlargement(item) > BLURRED_BY:
            enlarged[item.sample.name] = max(enlargement(item), enlarged.get(item.sample.name, 0))
    if enlarged:
        worst = sorted(enlarged, key=lambda name: enlarged[name], reverse=True)
        yield (f"{count(len(worst), 'picture')} too small for the resolution: {some(f'{n} ({enlarged[n]:.1f} times)' for n in worst)}. "
               "Enlarging teaches blur: use larger originals, lower the resolution, or switch no_upscale on in Bucket Config.")
    training = [s for s in dataset.samples if s.role == TRAINING]
    if len(training) < FEW:
        yield f"there are only {count(len(training), 'picture')} to learn from. 15 to 40 are usual; with fewer the LoRA copies them."


def _alpha_findings(samples: Sequence[Sample]) -> Iterator[str]:
    transparent = [s for s in samples if s.picture.has_alpha()]
    ignored = [s.name for s in transparent if s.alpha == "ignore"]
    if ignored:
        yield (f"{count(len(ignored), 'picture')} whose transparency is ignored: {some(ignored)}. Colours that hide in transparent "
               "parts are trained: choose a background for transparency on Load Dataset.")
    laid = [s.name for s in transparent if s.alpha == "background"]
    if laid:
        yield (f"{count(len(laid), 'picture')} may be transparent and lie on a plain background: {some(laid)}. If results get that "
               "background, set masks to 'alpha' on Load Dataset.")


def _mask_findings(samples: Sequence[Sample]) -> Iterator[str]:
    empty, shape = [], []
    for sample in samples:
        if sample.mask is None:
            continue
        if is_mask_of_another_shape(sample):
            shape.append(sample.name)
        try:
            mask = full_mask(sample)
        except DatasetError as error:
            yield error.problems[0]
            continue
        if mask is not None and not mask.any():
            empty.append(sample.name)
    if empty:
        yield f"{count(len(empty), 'mask')} all black: {some(empty)}. Nothing of these pictures is trained: white is trained."
    if shape:
        yield f"{count(len(shape), 'mask')} of another shape than the picture: {some(shape)}. It is stretched: make it the same size."


def is_mask_of_another_shape(sample: Sample) -> bool:
    if sample.mask is None:
        return False
    (width, height), (mask_width, mask_height) = sample.picture.size(), sample.mask.size()
    return abs(width / height / (mask_width / mask_height) - 1) > MASK_SHAPE_TOLERANCE


def _reference_findings(samples: Sequence[Sample]) -> Iterator[str]:
    same, cut = [], []
    for sample in samples:
        (width, height), digest = sample.picture.size(), sample.picture.digest() if sample.references else ""
        for reference in sample.references:
            across, down = reference.size()
            if reference.digest() == digest:
                same.append(sample.name)
            elif abs(across / down / (width / height) - 1) > SAME_SHAPE:
                cut.append(sample.name)
    if same:
        yield f"the reference of {some(same)} is the very same picture: it teaches to change nothing. Are the folders mixed up?"
    if cut:
        yield (f"{count(len(cut), 'picture')} of another shape than a reference: {some(cut)}. If the picture is a change of it, cut both "
               "alike, or the LoRA learns to shift and stretch; a reference that only shows a person or style may have any shape.")


def _duplicate_findings(samples: Sequence[Sample], on_progress: Callable[[int, int], None] | None) -> Iterator[str]:
    seen = [sample for sample in samples if sample.picture.encoded is None]
    hashes, unreadable = all_looks([sample.picture for sample in seen], on_progress)
    yield from unreadable
    for group in groups(near_pairs(hashes)):
        members = [seen[index] for index in group]
        held = [sample.name for sample in members if not sample.is_trained]
        trained = [sample.name for sample in members if sample.is_trained]
        if held and trained:
            yield (f"validation pictures that are also trained on: {some(held)} looks like {some(trained)}. The validation loss will "
                   "look too good: take them out of one of the two.")
        if len(trained) > 1:
            yield f"look the same: {some(trained)}. Keep one; copies weigh as much as higher repeats."


def _short(caption: str, limit: int = 60) -> str:
    return caption if len(caption) <= limit else caption[: limit - 3] + "..."
