"""The final captions of the draws that a run will make, as text to read, and what lies past the text encoders' windows."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ...errors import DatasetError, SettingsError, raise_problems
from ...inputs import shown as clipped
from ...registry import near_names
from ..batches import draw_seed
from ..captions import caption_variants, final_caption
from ..dataset import Dataset, Sample
from .check import unfit_captions

WHERE = "Caption Preview"
LIMITS = (77, 225, 512)
"""CLIP's window, start and end included; three windows, kohya's usual most; the T5 of FLUX."""
_MARKS = 2
CountTokens = Callable[[str], int]
"""A text -> its tokens, start and end not counted."""


def preview_captions(dataset: Dataset, picture: str, draws: int, seed: int, count_tokens: CountTokens | None = None) -> str:
    """The first `draws` captions of the pictures that `picture` names, as a run with this seed draws them.

    `picture` is a number from 1, a part of a name, or '' for the first picture of each folder. Raises SettingsError for a picture
    that there is not, and DatasetError for captions that no run would take.
    """
    parts, shown = [], chosen(dataset.samples, picture)
    raise_problems(DatasetError, WHERE, unfit_captions(sample for _, sample in shown))
    for index, sample in shown:
        lines = [f"{sample.name} ({len(caption_variants(sample))} different texts)"]
        for number, (epoch, repeat) in enumerate(_appearances(sample, draws), start=1):
            text = final_caption(sample, draw_seed(seed, epoch, index, repeat), epoch)
            lines += _described(f"  {number}. epoch {epoch + 1}: ", text, count_tokens)
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def chosen(samples: Sequence[Sample], picture: str) -> list[tuple[int, Sample]]:
    """(index among the training pictures, sample) of those that `picture` names. Raises SettingsError for no match."""
    index, numbered = 0, []
    for sample in samples:
        numbered.append((index, sample))
        index += sample.is_trained
    wanted = picture.strip()
    if not wanted:
        first: dict[str, tuple[int, Sample]] = {}
        for entry in numbered:
            first.setdefault(entry[1].folder, entry)
        return list(first.values())
    if re.fullmatch(r"\d+", wanted) and 1 <= int(wanted) <= len(samples):
        return [numbered[int(wanted) - 1]]
    found = [entry for entry in numbered if wanted.lower() in entry[1].name.lower()]
    if not found:
        names = near_names(wanted, [sample.name for sample in samples][:40])
        raise SettingsError(
            WHERE, [f"picture '{clipped(picture)}' is neither a number from 1 to {len(samples)} nor part of a name. {names}"]
        )
    return found[:10]


def _appearances(sample: Sample, draws: int) -> list[tuple[int, int]]:
    """(epoch, repeat) of the first draws."""
    return [divmod(number, sample.repeats) for number in range(draws)]


def _described(label: str, text: str, count_tokens: CountTokens | None) -> list[str]:
    if count_tokens is None:
        return [f"{label}{text or '(empty)'}"]
    lines = [f"{label}{text or '(empty)'}  [{count_tokens(text)} tokens]"]
    return lines + [f"     past {limit} tokens: {rest}" for limit, rest in past_limits(text, count_tokens)]


def past_limits(text: str, count_tokens: CountTokens) -> list[tuple[int, str]]:
    """(limit, the words past it) for each limit that `text` exceeds."""
    total = count_tokens(text)
    return [(limit, text[_fitting(text, limit, count_tokens) :].strip()) for limit in LIMITS if total > _room(limit)]


def _room(limit: int) -> int:
    """Tokens of the caption itself: CLIP's window of 77 has a start and an end mark."""
    return limit - _MARKS if limit == LIMITS[0] else limit


def _fitting(text: str, limit: int, count_tokens: CountTokens) -> int:
    """The length of the longest beginning of whole words that fits."""
    ends = [0, *(word.end() for word in re.finditer(r"\S+", text))]
    low, high = 0, len(ends) - 1
    while low < high:
        middle = (low + high + 1) // 2
        if count_tokens(text[: ends[middle]]) <= _room(limit):
            low = middle
        else:
            high = middle - 1
    return ends[low]
