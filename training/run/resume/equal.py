"""Whether a run could go on as if it had never ended: with no setting changed, not even one that may change."""

from __future__ import annotations

from pathlib import Path

from ...data.items import make_items, trained_first
from ...order import Order
from .begun import as_begun
from .identity import allowed_changes, changes, knows_left_out
from .saved import as_data, read_facts


def differing(path: Path, order: Order) -> list[str]:
    """One phrase for everything that the state at `path` was not made with. Encodes nothing. Raises StateError for a state that cannot
    be read."""
    facts = read_facts(path)
    saved = facts["identity"]
    if facts["version"] < 2 or not knows_left_out(saved):
        return ["its state is of before November 2026, which does not say all of its settings"]
    with as_data(path):
        begun, _ = as_begun(order, saved)
        return [*changes(saved, begun, trained_first(make_items(order.recipe.dataset))), *allowed_changes(saved, begun)]
