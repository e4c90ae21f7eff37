"""Captioning a dataset: one picture after the other, each result used and written before the next is begun."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace

from ..data.colour import full_colour
from ..data.dataset import REGULARISATION, Dataset, Sample
from ..errors import DatasetError, SettingsError, raise_problems
from ..inputs import SHORT, text_problems
from ..registry import near_names
from ..wording import some
from .answers import AnswerStore
from .captioner import WHERE, Ask, Captioner
from .existing import EXISTING, combined
from .files import EXTENSIONS, WRITE, CaptionFiles


@dataclass(frozen=True, kw_only=True)
class CaptioningSpec:
    """What becomes of captions. `existing`: one of EXISTING; 'keep' leaves captioned pictures alone.
    `write_files`: one of WRITE, for pictures that lie on disk. `trigger` leads every caption that is made. `only` are the names of the
    pictures that are captioned; () for all."""

    existing: str = "keep"
    write_files: str = "no"
    extension: str = ".txt"
    trigger: str = ""
    only: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        problems = [
            f"{widget} is '{value}'. {near_names(str(value), list(allowed))}"
            for widget, value, allowed in (
                ("existing_captions", self.existing, EXISTING), ("write_files", self.write_files, WRITE),
                ("caption_extension", self.extension, EXTENSIONS),
            )
            if value not in allowed
        ]
        problems += text_problems("trigger_word", self.trigger, SHORT)
        raise_problems(SettingsError, WHERE, problems)


@dataclass
class Outcome:
    """What happened, by the pictures' names. `captions` are the final texts, `parts` what the captioner said;
    `words_lost` were to be trained with their folder's class words, which now have a caption in their place."""

    captions: dict[str, str] = field(default_factory=dict)
    parts: list[tuple[str, ...]] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    words_lost: list[str] = field(default_factory=list)
    encoded: list[str] = field(default_factory=list)
    class_words: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    remembered: int = 0
    files: CaptionFiles = field(default_factory=lambda: CaptionFiles("no"))


def caption_dataset(
    dataset: Dataset,
    captioner: Captioner,
    spec: CaptioningSpec,
    *,
    answers: AnswerStore,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Dataset, Outcome]:
    """The dataset with captions, and what was done.

    Regularisation pictures that have class words keep them: those are what they are trained with. A picture that cannot
    be read keeps its caption and becomes one of the dataset's problems. `on_progress(done, total)` is called before
    each picture and at the end; what it raises (Cancel) passes through, and what was written until then stays.
    """
    if strange := set(spec.only) - {sample.name for sample in dataset.samples}:
        raise SettingsError(WHERE, [f"only_pictures names {some(sorted(strange))}, but no picture of the dataset is called so."])
    outcome = Outcome(files=CaptionFiles(spec.write_files, spec.extension))
    wanted = {index for index, sample in enumerate(dataset.samples) if _is_wanted(sample, spec, outcome)}
    samples = list(dataset.samples)
    with _asking(captioner, answers, outcome) as parts_of:
        for done, index in enumerate(sorted(wanted)):
            on_progress(done, len(wanted))
            try:
                parts = parts_of(samples[index])
            except DatasetError as error:
                outcome.problems += error.problems
                continue
            samples[index] = _captioned(samples[index], parts, captioner.speaks_tags, spec, outcome)
    on_progress(len(wanted), len(wanted))
    return replace(dataset, samples=tuple(samples), problems=(*dataset.problems, *outcome.problems)), outcome


def _is_wanted(sample: Sample, spec: CaptioningSpec, outcome: Outcome) -> bool:
    if spec.only and sample.name not in spec.only:
        return False
    if sample.condition is not None:
        outcome.encoded.append(sample.name)
    elif sample.caption.strip() and spec.existing == "keep":
        outcome.kept.append(sample.name)
    elif sample.role == REGULARISATION and sample.class_words and not sample.caption.strip():
        outcome.class_words.append(sample.name)
    else:
        return True
    return False


@contextmanager
def _asking(
    captioner: Captioner, answers: AnswerStore, outcome: Outcome
) -> Iterator[Callable[[Sample], tuple[str, ...]]]:
    """sample -> the parts of its caption. The model is loaded when the first picture without a stored answer comes."""
    with ExitStack() as stack:
        ask: Ask | None = None

        def parts_of(sample: Sample) -> tuple[str, ...]:
            nonlocal ask
            digest = _digest(sample)
            answer = answers.get(captioner.identity, digest)
            if answer is not None:
                outcome.remembered += 1
                return captioner.wording(answer)
            pixels = full_colour(sample)
            ask = ask or stack.enter_context(captioner.loaded())
            answer = ask(pixels)
            answers.put(captioner.identity, digest, answer)
            return captioner.wording(answer)

        yield parts_of


def _digest(sample: Sample) -> str:
    """The picture's content, and what its transparent parts are shown on."""
    look = sample.alpha if sample.alpha == "ignore" else f"{sample.background}"
    return f"{sample.picture.digest()} {look}"


def _captioned(sample: Sample, parts: tuple[str, ...], tags: bool, spec: CaptioningSpec, outcome: Outcome) -> Sample:
    outcome.parts.append(parts)
    if not any(part.strip() for part in parts):
        outcome.silent.append(sample.name)
        return sample
    existing = sample.caption.strip() or (sample.class_words if spec.existing in ("append", "prepend") else "")
    if sample.class_words and not existing and sample.role != REGULARISATION:
        outcome.words_lost.append(f"{sample.name} ('{sample.class_words}')")
    trigger = "" if sample.role == REGULARISATION else spec.trigger
    caption = combined(existing, parts, how=spec.existing, trigger=trigger, tags=tags)
    outcome.captions[sample.name] = caption
    if sample.picture.file is not None:
        outcome.files.write(sample.picture.file, sample.name, caption)
    return replace(sample, caption=caption)
