"""Words of reports and errors: lists that stay short, and numbers with their noun."""

from __future__ import annotations

from collections.abc import Iterable

MANY = 8


def some(names: Iterable[str], limit: int = MANY) -> str:
    """The first names, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def count(number: int, thing: str) -> str:
    """'1 picture', '2 pictures'."""
    plural = {"batch": "batches"}.get(thing, thing + "s")
    return f"{number:,} {thing if number == 1 else plural}"


def size(number: int) -> str:
    """'3 KB', '310 MB', '1.2 GB': bytes in powers of 1024, as file managers show them."""
    if number >= 1 << 30:
        return f"{number / 2**30:.1f} GB"
    return f"{number / 2**20:.0f} MB" if number >= 1 << 20 else f"{number / 2**10:.0f} KB"


def shortened(text: str, limit: int = 60) -> str:
    """The text without its middle where it is longer than `limit`."""
    return text if len(text) <= limit else f"{text[: limit // 3]}...{text[-limit // 2 :]}"
