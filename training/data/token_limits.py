"""What of a caption lies past the number of tokens that a text encoder reads in one go."""

from __future__ import annotations

import re
from collections.abc import Callable

LIMITS = (77, 225, 512)
"""CLIP's window, start and end included; three windows, kohya's usual most; the T5 of FLUX."""

_MARKS = 2


def past_limits(text: str, count_tokens: Callable[[str], int]) -> list[tuple[int, str]]:
    """(limit, the words past it) for each limit that `text` exceeds. `count_tokens` counts without start and end."""
    total = count_tokens(text)
    return [(limit, text[_fitting(text, limit, count_tokens) :].strip()) for limit in LIMITS if total > room(limit)]


def room(limit: int) -> int:
    """Tokens of the caption itself: CLIP's window of 77 has a start and an end mark."""
    return limit - _MARKS if limit == LIMITS[0] else limit


def _fitting(text: str, limit: int, count_tokens: Callable[[str], int]) -> int:
    """The length of the longest beginning of whole words that fits."""
    ends = [0, *(word.end() for word in re.finditer(r"\S+", text))]
    low, high = 0, len(ends) - 1
    while low < high:
        middle = (low + high + 1) // 2
        if count_tokens(text[: ends[middle]]) <= room(limit):
            low = middle
        else:
            high = middle - 1
    return ends[low]
