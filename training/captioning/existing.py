"""A new caption beside the one that a picture already has."""

from __future__ import annotations

from collections.abc import Sequence

from ..data.captions import has_word
from .tag_rules import tag_key

EXISTING = ("keep", "append", "prepend", "replace")


def combined(existing: str, parts: Sequence[str], *, how: str, trigger: str = "", tags: bool = True) -> str:
    """The caption after captioning; `parts` are tags, or one text, and `how` is one of EXISTING but 'keep'.

    Several lines are several captions: each gets the new parts. What a line says already is not said again, so doing it
    twice changes nothing. `trigger` leads each line that does not hold it.
    """
    lines = [line.strip() for line in existing.splitlines() if line.strip()]
    if how == "replace" or not lines:
        return _led(_joined(parts, tags), trigger)
    return "\n".join(_led(_extended(line, parts, how, tags), trigger) for line in lines)


def _extended(line: str, parts: Sequence[str], how: str, tags: bool) -> str:
    known = {tag_key(tag) for tag in line.split(",")}
    fresh = [part for part in parts if (tag_key(part) not in known if tags else part not in line)]
    return _joined([line, *fresh] if how == "append" else [*fresh, line], tags)


def _joined(parts: Sequence[str], tags: bool) -> str:
    """Parts with ', ' between them; behind a sentence a space is enough."""
    text = ""
    for part in (part.strip() for part in parts):
        if text and part:
            text += " " if not tags and text[-1] in ".!?" else " " if text[-1] == "," else ", "
        text += part
    return text


def _led(line: str, trigger: str) -> str:
    trigger = trigger.strip()
    return line if not trigger or has_word(line, trigger) else f"{trigger}, {line}" if line else trigger
