"""The caption of one draw: what the text encoders are given, as a pure function of (sample, spec, seed, epoch).

Chance is spread over `variants` texts a sample, each fixed by the sample's name and the variant's number. So every
text that a run can need is known ahead and cached, also with shuffle, wildcards and tag dropout. Whole-caption dropout
is decided draw by draw: its text is always "".

Order: line -> wildcards -> [trigger] -> keep / shuffle / tag dropout -> trigger, prefix, suffix -> secondary separator.
Unlike kohya: prefix, suffix and trigger are no tags (never shuffled, dropped or counted by keep_tokens) and are set off
by a separator; separators never reach the text encoder; tags are joined by the separator they were split by.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import SettingsError, raise_problems
from ..seeds import mix_seed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .dataset import Sample

LINES = ("random", "first", "all")
TRIGGER = "[trigger]"
NODE = "Caption Config"
_INNERMOST_WILDCARD = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, kw_only=True)
class CaptionSpec:
    """How captions become training text.

    `prefix` and `suffix` are joined with `separator`, or as they stand where they bring their own space.
    `trigger` replaces '[trigger]', and leads every caption that does not contain it; regularisation pictures get
    neither trigger, prefix nor suffix. `lines`: of several lines a 'random' one, the 'first', or 'all' as one text.
    `shuffle` mixes the tags behind the first `keep_tokens`, or between `keep_tokens_separator`s
    ("fixed ||| mixed ||| fixed"). `secondary_separator` glues tags that must stay together.
    `caption_dropout` and `tag_dropout` are probabilities 0..1; `caption_dropout_every_n_epochs` empties the captions
    of every n-th epoch (0: never). `allow_empty` lets pictures train without any text.
    """

    prefix: str = ""
    suffix: str = ""
    trigger: str = ""
    lines: str = "random"
    wildcards: bool = False
    shuffle: bool = False
    keep_tokens: int = 0
    keep_tokens_separator: str = "|||"
    secondary_separator: str = ";;;"
    separator: str = ","
    caption_dropout: float = 0.0
    caption_dropout_every_n_epochs: int = 0
    tag_dropout: float = 0.0
    variants: int = 10
    allow_empty: bool = False

    def __post_init__(self) -> None:
        problems = []
        for name in ("caption_dropout", "tag_dropout"):
            if not 0 <= getattr(self, name) <= 1:
                problems.append(f"{name} is {getattr(self, name)} but must be from 0 to 1 (0.05 to 0.1 is usual).")
        for name, least in (("keep_tokens", 0), ("caption_dropout_every_n_epochs", 0), ("variants", 1)):
            if getattr(self, name) < least:
                problems.append(f"{name} is {getattr(self, name)} but must be at least {least}.")
        if self.lines not in LINES:
            problems.append(f"lines is '{self.lines}' but must be one of {', '.join(LINES)}.")
        if not self.separator:
            problems.append("separator is empty. Use ',' (a comma) unless your tags are split by something else.")
        raise_problems(SettingsError, NODE, problems)

    @property
    def joiner(self) -> str:
        """What stands between tags in the text: ', ' for a comma."""
        return self.separator if self.separator.isspace() else self.separator.strip() + " "

    @property
    def mixes(self) -> bool:
        """Whether tags must be taken apart at all; otherwise a caption stays as it was written."""
        return self.shuffle or self.tag_dropout > 0


def final_caption(sample: "Sample", spec: CaptionSpec, seed: int, epoch: int) -> str:
    """The text of the draw with this seed (`Draw.seed`) in this epoch, counted from 0.

    A sample that carries its own spec (from merged datasets) uses that one. Validation samples get their plainest
    caption, always the same: first variant, nothing shuffled or dropped.
    """
    spec = sample.captions or spec
    if sample.is_validation:
        return _text(sample, spec, variant=0)
    every = spec.caption_dropout_every_n_epochs
    if every and (epoch + 1) % every == 0:
        return ""
    if spec.caption_dropout and random.Random(mix_seed("caption dropout", seed)).random() < spec.caption_dropout:
        return ""
    return _text(sample, spec, mix_seed("caption variant", seed) % spec.variants)


def caption_variants(sample: "Sample", spec: CaptionSpec) -> tuple[str, ...]:
    """Every text that draws of this sample can have, each once; "" is last where dropout can produce it."""
    spec = sample.captions or spec
    if sample.is_validation:
        return (_text(sample, spec, 0),)
    texts = [_text(sample, spec, variant) for variant in range(spec.variants)]
    dropped = [""] if spec.caption_dropout or spec.caption_dropout_every_n_epochs else []
    return tuple(dict.fromkeys([*texts, *dropped]))


def texts_needed(samples: "Iterable[Sample]", spec: CaptionSpec) -> tuple[str, ...]:
    """Every text that a run on these samples can need, each once: what the text cache prepares."""
    unencoded = (sample for sample in samples if sample.condition is None)
    return tuple(dict.fromkeys(text for sample in unencoded for text in caption_variants(sample, spec)))


def _text(sample: "Sample", spec: CaptionSpec, variant: int) -> str:
    rng = random.Random(mix_seed("caption", sample.name, variant))
    caption = _one_caption(sample.caption.strip() or sample.class_words, spec.lines, rng)
    if spec.wildcards:
        caption = expand_wildcards(caption, rng)
    trigger = "" if sample.is_regularisation else spec.trigger.strip()
    caption = caption.replace(TRIGGER, trigger) if trigger else re.sub(rf" ?{re.escape(TRIGGER)}", "", caption)
    caption = _mixed(caption, spec, trigger, rng, still=sample.is_validation)
    if not sample.is_regularisation:
        caption = _dressed(caption, spec, trigger)
    if spec.secondary_separator:
        caption = spec.joiner.join(part.strip() for part in caption.split(spec.secondary_separator))
    return caption.strip()


def _one_caption(caption: str, lines: str, rng: random.Random) -> str:
    filled = [line.strip() for line in caption.splitlines() if line.strip()]
    if not filled:
        return ""
    if lines == "all":
        return " ".join(filled)
    return filled[0] if lines == "first" else rng.choice(filled)


def expand_wildcards(caption: str, rng: random.Random) -> str:
    """One choice of each {a|b}, innermost first; '{{' and '}}' are literal braces."""
    caption = caption.replace("{{", "\0").replace("}}", "\1")
    while _INNERMOST_WILDCARD.search(caption):
        caption = _INNERMOST_WILDCARD.sub(lambda found: rng.choice(found[1].split("|")).strip(), caption)
    return caption.replace("\0", "{").replace("\1", "}")


def _mixed(caption: str, spec: CaptionSpec, trigger: str, rng: random.Random, *, still: bool) -> str:
    """The caption with its loose tags shuffled and dropped; fixed ones stay where they are."""
    marked = bool(spec.keep_tokens_separator) and spec.keep_tokens_separator in caption
    if not marked and (still or not spec.mixes):
        return caption
    if marked:
        head, loose, *tail = (_tags(part, spec.separator) for part in caption.split(spec.keep_tokens_separator))
        tail = [tag for part in tail for tag in part]
    else:
        tags = _tags(caption, spec.separator)
        head, loose, tail = tags[: spec.keep_tokens], tags[spec.keep_tokens :], []
    if not still:
        if spec.shuffle:
            rng.shuffle(loose)
        if spec.tag_dropout:
            loose = [tag for tag in loose if has_word(tag, trigger) or rng.random() >= spec.tag_dropout]
    return spec.joiner.join([*head, *loose, *tail])


def _tags(text: str, separator: str) -> list[str]:
    return [tag.strip() for tag in text.split(separator) if tag.strip()]


def _dressed(caption: str, spec: CaptionSpec, trigger: str) -> str:
    prefix, suffix = (part.replace(TRIGGER, trigger) for part in (spec.prefix, spec.suffix))
    if trigger and not has_word(f"{prefix} {caption} {suffix}", trigger):
        caption = _glue(trigger, caption, spec.joiner)
    return _glue(_glue(prefix, caption, spec.joiner), suffix, spec.joiner)


def _glue(left: str, right: str, joiner: str) -> str:
    """Both parts with a joiner between, unless one is empty or they bring their own space or separator."""
    if not left.strip() or not right.strip():
        return left.strip() or right.strip()
    if left[-1].isspace() or right[0].isspace():
        return left + right
    mark = joiner.strip()
    if mark and (left.endswith(mark) or right.startswith(mark)):
        return f"{left} {right}" if left.endswith(mark) else left + right
    return left + joiner + right


def has_word(text: str, word: str) -> bool:
    """Whether `word` (any case) stands in `text` on its own, not inside a longer word; False for ''."""
    return bool(word) and re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE) is not None
