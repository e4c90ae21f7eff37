"""Texts that people type or paste: how long one may be, that its characters are whole, and how it is shown in a message."""

from __future__ import annotations

SHORT, LONG = 2_000, 20_000
"""Characters of a widget that holds one line, and of one that holds many, or of one caption."""
SHOWN = 120


def text_problems(name: str, text: str, most: int = LONG) -> list[str]:
    """What is wrong with a text before anybody reads it: too many characters, or a half one. `name` is the widget or picture."""
    if len(text) > most:
        return [f"{name} has {len(text):,} characters, but may have {most:,}. It begins with '{shown(text, 40)}'. Shorten it."]
    return [f"{name} {problem}" for problem in [half_character(text)] if problem]


def half_character(text: str) -> str | None:
    """A phrase where the text cannot be written as UTF-8: pasting or cutting can leave one half of an emoji (a lone surrogate)."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        before = text[max(0, error.start - 20) : error.start]
        where = f"behind '{before}'" if before else "at its start"
        return f"has half a character {where}, such as one half of an emoji. Delete it, or type it again."
    return None


def shown(text: str, most: int = SHOWN) -> str:
    """The text as a message shows it: its beginning where it is long, and only what can be written."""
    whole = text.encode(errors="replace").decode()
    return whole if len(whole) <= most else whole[:most] + "..."
