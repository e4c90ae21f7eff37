"""What fits on which card: the table of docs/cards.md, which `make cards` writes, read back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "cards.md"
ENOUGH = 90
"""Percent of a model that must stay on the card: below, a smaller dtype of it is taken where there is one."""
_STAYS = re.compile(r"(\d+) % stays")


@dataclass(frozen=True)
class Cards:
    """`sizes` of cards in GB, ascending; `rows`: a model's name and what is said of it on each of them."""

    sizes: tuple[int, ...]
    rows: Mapping[str, tuple[str, ...]]

    def said(self, row: str, size: int | None) -> str:
        """What the table says of a model on a card; "" where it says nothing."""
        return self.rows[row][self.sizes.index(size)] if row in self.rows and size in self.sizes else ""

    def stays(self, row: str, size: int) -> int:
        """How much of the model stays on the card, in percent; 0 where it does not fit at all, or the table does not say."""
        cell = self.said(row, size)
        found = _STAYS.search(cell)
        return int(found[1]) if found else 100 if ": whole" in cell else 0

    def best(self, rows: Sequence[str], size: int) -> str:
        """Of the same model in several dtypes, the most exact first: the first of which enough stays, else that of which most does."""
        enough = [row for row in rows if self.stays(row, size) >= ENOUGH]
        return enough[0] if enough else max(rows, key=lambda row: self.stays(row, size))


def read_cards(text: str) -> Cards:
    """The first table of the page; empty where there is none."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    if not table:
        return Cards((), {})
    sizes = tuple(int(name.removesuffix(" GB")) for name in table[0][2:] if name.endswith(" GB"))
    rows = {name: tuple(cells) for name, _, *cells in (row for row in table[2:] if len(row) == len(table[0])) if len(cells) == len(sizes)}
    return Cards(sizes, rows)


def cards() -> Cards:
    """Of the page that this pack has; empty where it was left out of an installation."""
    try:
        return read_cards(PAGE.read_text(encoding="utf-8"))
    except OSError:
        return Cards((), {})
