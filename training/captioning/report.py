"""What Auto Caption says about its work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ..wording import count, some
from .captioner import Captioner
from .files import KEPT_ENDING
from .run import Outcome

_EXAMPLES = 3
_COMMON = 20


def captioning_report(captioner: Captioner, outcome: Outcome) -> str:
    """How many pictures, what was written, examples, the commonest tags, and what needs a look."""
    return "\n".join([*_summary(captioner, outcome), *_examples(outcome), *_common_tags(captioner, outcome), *_remarks(outcome)])


def _summary(captioner: Captioner, outcome: Outcome) -> Iterator[str]:
    remembered = f", {outcome.remembered:,} of them remembered from before" if outcome.remembered else ""
    yield f"{captioner.name}: {count(len(outcome.captions), 'picture')} captioned{remembered}"
    if outcome.kept:
        yield f"{count(len(outcome.kept), 'picture')} kept the caption that was there"
    if outcome.class_words:
        yield f"{count(len(outcome.class_words), 'regularisation picture')} kept the class words of the folder"
    if outcome.encoded:
        yield f"{count(len(outcome.encoded), 'picture')} already encoded by the graph: the caption cannot be changed"
    files = outcome.files
    if files.how == "no":
        yield "No file was written: the captions are only passed on."
    else:
        left = f"; {count(files.left, 'file')} already there and left as they are" if files.left else ""
        kept = f"; what {count(files.replaced, 'file')} held is kept as *{files.extension}{KEPT_ENDING}" if files.replaced else ""
        yield f"{count(files.written, f'{files.extension} file')} written{left}{kept}"


def _examples(outcome: Outcome) -> Iterator[str]:
    for name, caption in list(outcome.captions.items())[:_EXAMPLES]:
        yield f"  {name}: {caption.splitlines()[0]}"


def _common_tags(captioner: Captioner, outcome: Outcome) -> Iterator[str]:
    if not captioner.speaks_tags:
        return
    common = Counter(tag for parts in outcome.parts for tag in parts).most_common(_COMMON)
    if common:
        yield "Commonest tags: " + ", ".join(f"{tag} ({number})" for tag, number in common)


def _remarks(outcome: Outcome) -> Iterator[str]:
    if outcome.words_lost:
        yield (f"The caption now stands in the place of the folder's class words for {some(outcome.words_lost)}. To keep them in "
               "front, set existing_captions to 'append'.")
    if outcome.silent:
        yield (f"Nothing to say about {count(len(outcome.silent), 'picture')}: {some(outcome.silent)}. Their captions are as they "
               "were. Lower general_threshold, or use another captioner.")
    if outcome.files.clashes:
        yield f"Pictures that share one caption file: {some(outcome.files.clashes)}. Rename one of each pair."
    yield from outcome.problems
