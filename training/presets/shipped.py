"""The presets that come with the pack: what is trained x family of models x memory of the card. The numbers, with whose word each is, are
in shipped.json; of a widget that several speak of, what is trained has the last word over the family."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import SettingsError
from ..registry import near_names
from .cards import Cards, cards
from .record import LOADER, NETWORK, TRAIN, WHERE, Preset, Setting

_FILE = Path(__file__).with_name("shipped.json")
BEYOND = "more"
"""The card that is larger than those of the table."""


@cache
def numbers() -> dict[str, Any]:
    return json.loads(_FILE.read_text(encoding="utf-8"))


def menu(table: Cards | None = None) -> dict[str, Any]:
    """What there is to choose from: names by key and language, cards in GB."""
    found = numbers()
    sizes = (table or cards()).sizes
    return {**{part: {key: one["name"] for key, one in found[part].items()} for part in ("kinds", "families")}, "cards": [*sizes, BEYOND]}


def family_of(file: str, ancestry: Sequence[str] = ()) -> str | None:
    """The key of the family that a model's file is of: `ancestry` names the class of its configuration in `comfy.supported_models` and
    those that it derives from, nearest first, where the file's header was understood; else its name is all that is known."""
    families = numbers()["families"]
    nearest = next(([key for key, one in families.items() if name in one["configs"]] for name in ancestry if any(
        name in one["configs"] for one in families.values())), [])
    if ancestry and not nearest:
        return None
    named = {key: found[0] for key in nearest or families if (found := re.search(families[key]["named"], file, re.IGNORECASE))}
    return max(named, key=lambda key: len(named[key])) if named else next(iter(nearest), None)


def card_sized(gib: float, table: Cards | None = None) -> str | int:
    """The largest of the table's cards that a card of so many GiB is; cards hold a little less than they are sold with."""
    sizes = (table or cards()).sizes
    within = [size for size in sizes if size <= gib + 0.7]
    return BEYOND if not sizes or gib > sizes[-1] + 0.7 else within[-1] if within else sizes[0]


def shipped(kind: str, family: str, card: str | int, table: Cards | None = None) -> Preset:
    """The preset of the three. Raises SettingsError for one that is not there."""
    table = table or cards()
    found = numbers()
    chosen, base = _one(found["kinds"], "kind", kind), _one(found["families"], "family", family)
    size = next((one for one in table.sizes if str(one) == str(card)), None)
    if size is None and card != BEYOND:
        raise SettingsError(WHERE, [f"card is {card!r:.20} but must be one of {', '.join(map(str, [*table.sizes, BEYOND]))}."])
    sets: dict[str, list[Any]] = {**base["sets"], **chosen["sets"], **chosen.get("for", {}).get(family, {})}
    sets[f"{NETWORK}.alpha"] = [sets[f"{NETWORK}.rank"][0] * base["alpha"][0], base["alpha"][1]]
    settings = [_setting(name, value, found["reasons"][why]) for name, (value, why) in {**sets, **found["card"]["sets"]}.items()]
    settings += _memory(base.get("rows", {}), size, table)
    name = " · ".join([chosen["name"]["en"], base["name"]["en"], f"{size} GB" if size else "more than the table's cards"])
    return Preset(name=name, kind="shipped", settings=tuple(settings))


def _one(among: Mapping[str, Any], what: str, name: str) -> dict[str, Any]:
    if name not in among:
        raise SettingsError(WHERE, [f"unknown {what} '{name:.40}'. {near_names(name, list(among))}"])
    return among[name]


def _setting(name: str, value: Any, reason: Mapping[str, str]) -> Setting:
    node, _, widget = name.partition(".")
    return Setting(node=node, widget=widget, value=value, why={key: reason[key] for key in ("en", "zh")}, source=reason["source"])


def _memory(rows: Mapping[str, str], size: int | None, table: Cards) -> list[Setting]:
    """How the run lives with the card, and the dtype to load the model in where the loader is asked for one: by the table's word."""
    reasons = numbers()["reasons"]
    row = "" if not rows else next(iter(rows)) if size is None else table.best(list(rows), size)
    said = table.said(row, size)
    reason = reasons["told_by_node"] if not said else _told(reasons["table"], row, size, said)
    found = [_setting(f"{TRAIN}.memory", "auto", reason)]
    return [*found, _setting(f"{LOADER}.weight_dtype", rows[row], reason if said else reasons["large_card"])] if rows.get(row) else found


def _told(reason: Mapping[str, str], row: str, size: int | None, said: str) -> dict[str, str]:
    """A cell of the table, "1.8: 78 % stays, ..." or "no", in words."""
    beside, _, way = said.replace("\\*", "").partition(": ")
    filled = {key: reason[key].format(row=row, size=size, beside=beside, way=way or "-") for key in ("en", "zh")}
    return {**filled, "source": reason["source"]}
