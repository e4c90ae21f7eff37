"""The caption of one draw: what the text encoders are given, as a pure function of (sample, seed, epoch).

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
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from ..errors import DatasetError, raise_problems
from ..seeds import mix_seed
from .dataset import REGULARISATION, VALIDATION, Sample
from .specs import CaptionSpec

TRIGGER = "[trigger]"
#: Thai to Burmese, Khmer, Chinese, Japanese and Korean: words, or a word and its particles, stand there without a space between.
_SPACELESS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7ff\uf900-\ufaff\uff66-\uffdc\U00020000-\U0003ffff"
_PIECES = re.compile(r"[{}|]|[^{}|]+")
DEEPEST_WILDCARD = 100
"""How deep wildcards may stand in one another."""


def final_caption(sample: Sample, seed: int, epoch: int, step: int | None = None) -> str:
    """The text of the draw with this seed (`Draw.seed`) in this epoch and update, counted from 0; None: after all tags have come.

    Validation samples get their plainest caption, always the same: first variant, nothing shuffled or dropped.
    """
    spec = sample.captions
    if sample.role == VALIDATION:
        return _text(sample, variant=0)
    every = spec.caption_dropout_every_n_epochs
    if every and (epoch + 1) % every == 0:
        return ""
    if spec.caption_dropout and random.Random(mix_seed("caption dropout", seed)).random() < spec.caption_dropout:
        return ""
    return _text(sample, mix_seed("caption variant", seed) % spec.variants, lambda count: spec.tags_at(step, count))


def caption_variants(sample: Sample) -> tuple[str, ...]:
    """Every text that draws of this sample can have, each once; "" is last where dropout can produce it."""
    spec = sample.captions
    if sample.role == VALIDATION:
        return (_text(sample, variant=0),)
    texts = [text for variant in range(spec.variants) for text in _as_it_grows(sample, variant)]
    dropped = [""] if spec.caption_dropout or spec.caption_dropout_every_n_epochs else []
    return tuple(dict.fromkeys([*texts, *dropped]))


def _as_it_grows(sample: Sample, variant: int) -> list[str]:
    """The variant's text, and with token_warmup those with fewer tags."""
    counts: list[int] = []
    whole = _text(sample, variant, lambda count: counts.append(count) or count)
    if not sample.captions.token_warmup_step or not counts:
        return [whole]
    return [*(_text(sample, variant, lambda _, few=few: few) for few in range(sample.captions.token_warmup_min, counts[0])), whole]


def texts_needed(samples: Iterable[Sample]) -> tuple[str, ...]:
    """Every text that a run on these samples can need, each once: what the text cache encodes ahead."""
    unencoded = (sample for sample in samples if sample.condition is None)
    return tuple(dict.fromkeys(text for sample in unencoded for text in caption_variants(sample)))


def trained_tags(sample: Sample) -> tuple[str, ...]:
    """Every tag of the texts that this sample is trained with, each once: no separator, and the trigger in its place."""
    spec = sample.captions
    is_drawn = spec.wildcards or (spec.lines == "random" and "\n" in sample.caption)
    whole = replace(sample, captions=replace(spec, shuffle=False, tag_dropout=0.0))  # which move tags, and leave some out at times
    texts = [_text(whole, variant) for variant in range(spec.variants if is_drawn else 1)]
    return tuple(dict.fromkeys(tag for text in texts for tag in _tags(text, spec.separator)))


def _text(sample: Sample, variant: int, shown: Callable[[int], int] = lambda count: count) -> str:
    """`shown`: how many of so many loose tags are, the first ones."""
    spec, rng = sample.captions, random.Random(mix_seed("caption", sample.name, variant))
    caption = _one_caption(sample.caption.strip() or sample.class_words, spec.lines, rng)
    if spec.wildcards:
        caption = expand_wildcards(caption, rng)
    trigger = "" if sample.role == REGULARISATION else spec.trigger.strip()
    caption = filled(caption, trigger)
    caption = _mixed(caption, spec, trigger, rng, shown, still=sample.role == VALIDATION)
    if sample.role != REGULARISATION:
        caption = _dressed(caption, spec, trigger)
    if spec.secondary_separator:
        caption = spec.joiner.join(part.strip() for part in caption.split(spec.secondary_separator))
    return caption.strip()


def filled(text: str, trigger: str) -> str:
    """`text` with the trigger word where it says [trigger]; without one the placeholder is left out, with the space before it."""
    return text.replace(TRIGGER, trigger) if trigger else re.sub(rf" ?{re.escape(TRIGGER)}", "", text)


def _one_caption(caption: str, lines: str, rng: random.Random) -> str:
    filled = [line.strip() for line in caption.splitlines() if line.strip()]
    if not filled:
        return ""
    if lines == "all":
        return " ".join(filled)
    return filled[0] if lines == "first" else rng.choice(filled)


def _mixed(caption: str, spec: CaptionSpec, trigger: str, rng: random.Random, shown: Callable[[int], int], *, still: bool) -> str:
    """The caption with its loose tags cut short, shuffled and dropped; fixed ones stay where they are."""
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
        loose = loose[: shown(len(loose))]
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
    """Whether `word` (any case) stands in `text` on its own, not inside a longer word; False for ''. Scripts without spaces between
    words do not part them: there any place will do."""
    return bool(word) and word_pattern(word).search(text) is not None


def word_pattern(word: str) -> re.Pattern[str]:
    """Finds `word`, which is not '', where `has_word` sees it."""
    before, after = ("" if re.match(f"[{_SPACELESS}]", edge) else f"[^\\W{_SPACELESS}]" for edge in (word[0], word[-1]))
    pattern = (f"(?<!{before})" if before else "") + re.escape(word) + (f"(?!{after})" if after else "")
    return re.compile(pattern, re.IGNORECASE)


@dataclass(eq=False)
class _Wildcard:
    """What stands between a pair of braces: its options, each a list of texts and of wildcards inside it."""

    start: int
    options: "list[list[str | _Wildcard]]" = field(default_factory=lambda: [[]])
    height: int = 1
    chosen: str = ""


def expand_wildcards(caption: str, rng: random.Random) -> str:
    """One choice of each {a|b}, innermost first; '{{' and '}}' are literal braces, and so is a brace without its other one.

    Raises DatasetError for wildcards that are more than DEEPEST_WILDCARD deep.
    """
    if "{" not in caption and "}" not in caption:
        return caption
    whole, wildcards = _read(caption)
    raise_problems(DatasetError, CaptionSpec.WHERE, [problem for problem in [_too_deep(wildcards)] if problem])
    for wildcard in sorted(wildcards, key=lambda wildcard: (wildcard.height, wildcard.start)):
        wildcard.chosen = _joined(rng.choice(wildcard.options)).strip()
    return _joined(whole).replace("\0", "{").replace("\1", "}")


def wildcard_problem(caption: str) -> str | None:
    """Why the wildcards of a caption cannot be expanded, as a phrase."""
    return _too_deep(_read(caption)[1])


def _too_deep(wildcards: "list[_Wildcard]") -> str | None:
    depth = max((wildcard.height for wildcard in wildcards), default=0)
    return f"{{wildcards}} stand {depth:,} deep in one another, but may be {DEEPEST_WILDCARD} deep" if depth > DEEPEST_WILDCARD else None


def _read(caption: str) -> "tuple[list[str | _Wildcard], list[_Wildcard]]":
    """(the caption as a list of texts and wildcards, every wildcard in it), in one pass; literal braces as control characters."""
    text = caption.replace("{{", "\0").replace("}}", "\1")
    closed: list[_Wildcard] = []
    stack = [_Wildcard(-1)]
    for piece in _PIECES.finditer(text):
        if piece[0] == "{":
            stack.append(_Wildcard(piece.start()))
        elif piece[0] == "}" and len(stack) > 1:
            inner = stack.pop()
            closed.append(inner)
            stack[-1].options[-1].append(inner)
            stack[-1].height = max(stack[-1].height, inner.height + 1)
        elif piece[0] == "|" and len(stack) > 1:
            stack[-1].options.append([])
        else:
            stack[-1].options[-1].append(piece[0])
    return _unclosed(stack), closed


def _unclosed(stack: list[_Wildcard]) -> "list[str | _Wildcard]":
    """The text of those whose brace was never closed: it is a brace, and their bars are bars."""
    whole: list[str | _Wildcard] = []
    for place, opened in enumerate(stack):
        whole += ["{"] if place else []
        for number, option in enumerate(opened.options):
            whole += ["|", *option] if number else option
    return whole


def _joined(parts: "list[str | _Wildcard]") -> str:
    return "".join(part if isinstance(part, str) else part.chosen for part in parts)
