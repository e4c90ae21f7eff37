"""How people name modules, on every node: Optimizer's group_rules, Block Weights' rules, include and exclude.

    attn2.to_k              every module whose name contains it
    *attn?.to_q             every module whose whole name it is; * is any text, ? any letter
    /attn[12]\\.to_q$/       every module that the regular expression is found in
    down 0-3,5              blocks of a section: down, mid and up of a UNet, double and single of FLUX, ...

Names of a text encoder's modules begin with the encoder's: clip_l, t5xxl. A pattern has at most 1,000 characters, blocks have
numbers of at most 9,999.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from .expressions import searching
from .inputs import shown, text_problems
from .parts import Section
from .registry import near_names

MOST_CHARACTERS = 1_000
HIGHEST_BLOCK = 9_999
_SECTION = re.compile(r"^(?P<name>[A-Za-z_]\w*)(?:\s+(?P<numbers>[\d\s,\-]+))?$")
_NUMBERED = re.compile(r"^(?P<stem>[\w.]*?\w)\.\d+(\.|$)")


def sections_in(names: Iterable[str]) -> tuple[Section, ...]:
    """The numbered lists at the top of a model, for families without words of their own: 'layers.3.mlp' -> layers."""
    stems = dict.fromkeys(found["stem"] for name in names if (found := _NUMBERED.match(name)))
    return tuple(Section(stem, rf"^{re.escape(stem)}\.(\d+)(\.|$)") for stem in stems if "." not in stem)


def pattern_problem(pattern: str) -> str | None:
    """What is wrong with a pattern whatever the model is, as a phrase: its length, or a character that is no whole one."""
    return next(iter(text_problems("a pattern", pattern, MOST_CHARACTERS)), None)


def matching(pattern: str, names: Sequence[str], sections: Sequence[Section] = ()) -> tuple[set[str], str | None]:
    """(the names that `pattern` matches, what is wrong with it as a phrase or None).

    Raises MissingLibraryError for a regular expression without google-re2.
    """
    if problem := pattern_problem(pattern):
        return set(), problem
    if len(pattern) > 1 and pattern.startswith("/") and pattern.endswith("/"):
        return _by_expression(pattern, names)
    found = _SECTION.match(pattern)
    section = next((section for section in sections if found and section.name == found["name"]), None)
    if found and section:
        return _by_number(pattern, section, found["numbers"], names)
    if "*" in pattern or "?" in pattern:
        chosen = {name for name in names if fnmatchcase(name, pattern)}
    else:
        chosen = {name for name in names if pattern in name}
    return chosen, None if chosen else f"'{shown(pattern)}' matches no module. {near_names(pattern, _parts(names, sections))}"


def _by_expression(pattern: str, names: Sequence[str]) -> tuple[set[str], str | None]:
    holds, problem = searching(pattern[1:-1])
    if problem:
        return set(), f"'{shown(pattern)}' {problem}"
    chosen = {name for name in names if holds(name)}
    nearest = near_names(re.sub(r"\W+", " ", pattern).strip(), _parts(names))
    return chosen, None if chosen else f"'{shown(pattern)}' matches no module. {nearest}"


def _by_number(pattern: str, section: Section, numbers: str | None, names: Sequence[str]) -> tuple[set[str], str | None]:
    by_number: dict[int, set[str]] = {}
    for name in names:
        number = section.number(name)
        if number is not None:
            by_number.setdefault(number, set()).add(name)
    if not by_number:
        return set(), f"'{shown(pattern)}' matches no module: this model has no {section.name} blocks."
    if numbers is None:
        return set().union(*by_number.values()), None
    wanted, problem = ranges(numbers)
    if problem:
        return set(), f"'{shown(pattern)}': {problem}"
    chosen = set().union(*(by_number.get(number, set()) for number in wanted))
    if chosen:
        return chosen, None
    return set(), f"'{shown(pattern)}' matches no module: {section.name} has blocks {min(by_number)} to {max(by_number)}."


def ranges(text: str) -> tuple[list[int], str | None]:
    """'0-3,5' -> [0, 1, 2, 3, 5]; a phrase when it cannot be read, or when a number is above HIGHEST_BLOCK."""
    wanted: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        try:
            start = int(first)
            stop = int(last) if dash else start
        except ValueError:
            return [], f"'{shown(part.strip())}' is not a block number or range. Write for example 0-3,5."
        if max(start, stop) > HIGHEST_BLOCK:
            return [], f"'{part.strip()}' goes beyond {HIGHEST_BLOCK:,}, the highest number of a block. Write for example 0-3,5."
        if stop < start:
            return [], f"the range '{part.strip()}' runs backwards."
        wanted += range(start, stop + 1)
    return wanted, None


def _parts(names: Sequence[str], sections: Sequence[Section] = ()) -> list[str]:
    """The words that names are made of, for suggestions."""
    words = {part for name in names for part in name.split(".") if not part.isdigit()}
    return [section.name for section in sections] + sorted(words)
