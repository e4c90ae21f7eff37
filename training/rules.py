"""Rules as text, one a line: a pattern, a colon, settings. What a pattern may be stands in `patterns`.

    down 0-3: lr=0.5 rank=8
    *attn2*:  lr=2, alpha=4     # a comment
    mid:      off
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .inputs import LONG, shown, text_problems
from .registry import near_names

OFF = "off"
Number = float | int


def read_lines(
    widget: str, text: str, settings: Mapping[str, Callable[[str], Number]], example: str
) -> tuple[list[tuple[str, dict[str, Number]]], list[str]]:
    """([(pattern, {setting: number})] of the lines that can be read, what is wrong with the others).

    `settings` are the names that may be set, each with what reads its number; `off` sets lr to 0. Later settings of a
    line win. Empty lines and what follows a # are passed over. A text that is too long is not read at all.
    """
    if too_long := text_problems(widget, text, LONG):
        return [], too_long
    rules, problems = [], []
    for number, line in enumerate(text.splitlines(), start=1):
        content = line.split("#", 1)[0].strip()
        if not content:
            continue
        pattern, colon, words = content.rpartition(":")
        if not colon or not pattern.strip():
            problems.append(f"{widget}, line {number}: '{shown(content)}' has no ':'. Write for example '{example}'.")
            continue
        values, wrong = _values(words, settings)
        problems += [f"{widget}, line {number}: {problem}" for problem in wrong]
        if not wrong:
            rules.append((pattern.strip(), values))
    return rules, problems


def _values(words: str, settings: Mapping[str, Callable[[str], Number]]) -> tuple[dict[str, Number], list[str]]:
    """'lr=0.5, rank=8' -> ({'lr': 0.5, 'rank': 8}, problems)."""
    values: dict[str, Number] = {}
    problems = []
    for word in words.replace(",", " ").split():
        name, equals, value = word.partition("=")
        if word == OFF:
            values["lr"] = 0.0
        elif name not in settings or not equals:
            problems.append(f"'{shown(word)}' is not a setting. {near_names(name, [*settings, OFF])} Write for example lr=0.5.")
        else:
            try:
                values[name] = settings[name](value)
            except ValueError:
                problems.append(f"'{shown(word)}': '{shown(value)}' is not a number.")
    if not values and not problems:
        problems.append(f"nothing is set. Settings are {', '.join(settings)} and {OFF}.")
    return values, problems
