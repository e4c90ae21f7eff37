"""From what a tagger has seen to the tags of a caption: thresholds, order, replacements. Plain rules, no model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..errors import SettingsError, raise_problems
from .captioner import WHERE

GENERAL, CHARACTER, RATING = 0, 4, 9
"""Danbooru's category numbers, as selected_tags.csv has them."""
RATINGS = ("off", "first", "last")
LEAST_THRESHOLD = 0.01


@dataclass(frozen=True)
class Seen:
    """One tag with the model's confidence, 0..1."""

    name: str
    category: int
    confidence: float


@dataclass(frozen=True, kw_only=True)
class TagRules:
    """Which tags are used, and how they are written.

    Tags of `general_threshold` (0.01..1) and surer are used, characters from `character_threshold` on. `rating` puts the
    likeliest rating tag 'first' or 'last'. `max_tags` keeps the surest general tags (0: all). `always_first` tags lead
    when they were seen, in the order given. `undesired` tags are left out. `replacements` maps a tag to what is written
    instead: tags with commas, or nothing. With `expand_characters` the series in a character's tag is a tag of its own:
    'name_(series)' -> 'name, series'. Tags are compared without regard to case, and to '_' or ' '.
    """

    general_threshold: float = 0.35
    character_threshold: float = 0.85
    rating: str = "off"
    characters_first: bool = True
    always_first: tuple[str, ...] = ()
    undesired: tuple[str, ...] = ()
    replacements: Mapping[str, str] = field(default_factory=dict)
    spaces: bool = True
    max_tags: int = 0
    expand_characters: bool = False

    def __post_init__(self) -> None:
        problems = []
        for name in ("general_threshold", "character_threshold"):
            if not LEAST_THRESHOLD <= getattr(self, name) <= 1:
                usual = 0.35 if name.startswith("general") else 0.85
                problems.append(f"{name} is {getattr(self, name)} but must be from {LEAST_THRESHOLD} to 1 ({usual} is usual).")
        if self.rating not in RATINGS:
            problems.append(f"rating_tag is '{self.rating}' but must be one of {', '.join(RATINGS)}.")
        if self.max_tags < 0:
            problems.append(f"max_tags is {self.max_tags} but must be at least 0 (0: no limit).")
        raise_problems(SettingsError, WHERE, problems)


def tag_key(tag: str) -> str:
    """What two spellings of one tag have in common: 'Long_Hair' and 'long hair' are the same."""
    return " ".join(tag.replace("_", " ").split()).casefold()


def caption_tags(seen: Iterable[Seen], rules: TagRules) -> tuple[str, ...]:
    """The tags of one picture, each once: always-first, rating, characters, general tags by confidence, rating if last.

    Ties keep the order of `seen`. Without `characters_first`, characters stand among the general tags.
    """
    seen = sorted(seen, key=lambda tag: -tag.confidence)
    undesired = {tag_key(tag) for tag in rules.undesired}
    ratings = [tag for tag in seen if tag.category == RATING][:1]
    allowed = [tag for tag in seen if tag_key(tag.name) not in undesired]
    characters = [tag for tag in allowed if tag.category == CHARACTER and tag.confidence >= rules.character_threshold]
    general = [tag for tag in allowed if tag.category == GENERAL and tag.confidence >= rules.general_threshold]
    general = general[: rules.max_tags or None]
    body = characters + general if rules.characters_first else sorted(characters + general, key=lambda tag: -tag.confidence)
    ordered = {"first": ratings + body, "last": body + ratings}.get(rules.rating, body)
    names = [name for tag in ordered for name in (_expanded(tag.name) if rules.expand_characters and tag.category == CHARACTER
                                                  else [tag.name])]  # fmt: skip
    written = [text for name in names for text in _written(name, rules) if tag_key(text) not in undesired]
    once: dict[str, str] = {}
    for text in written:
        once.setdefault(tag_key(text), text)
    return _always_first(tuple(once.values()), rules.always_first)


def _expanded(name: str) -> list[str]:
    """'name_(costume)_(series)' -> 'name_(costume)', 'series': what stands in the last brackets, if the name ends in them."""
    found = re.fullmatch(r"(.+?)_?\(([^()]+)\)", name)
    return [found[1], found[2]] if found else [name]


def _written(name: str, rules: TagRules) -> list[str]:
    """The tag as the caption spells it; several, or none, where it is replaced."""
    replacement = rules.replacements.get(tag_key(name))
    if replacement is not None:
        return [part.strip() for part in replacement.split(",") if part.strip()]
    return [name.replace("_", " ") if rules.spaces and not is_kaomoji(name) else name]


def _always_first(tags: tuple[str, ...], always: tuple[str, ...]) -> tuple[str, ...]:
    rank = {tag_key(tag): place for place, tag in reversed(list(enumerate(always)))}
    return tuple(sorted(tags, key=lambda tag: rank.get(tag_key(tag), len(always))))


def is_kaomoji(tag: str) -> bool:
    """Whether the underscore is a mouth: one of them, and at most one letter or digit to each side ('o_o', '<|>_<|>')."""
    left, *right = tag.split("_")
    return len(right) == 1 and all(part and sum(map(str.isalnum, part)) <= 1 for part in (left, right[0]))


def parse_tags(text: str) -> tuple[str, ...]:
    """The tags of a widget: split by commas or lines, each once."""
    parts = (part.strip() for line in text.splitlines() for part in line.split(","))
    return tuple(dict.fromkeys(part for part in parts if part))


def parse_replacements(text: str) -> dict[str, str]:
    """'a:b; c:d' (or one a line) as {tag_key: what is written instead}. '\\;' and '\\:' are the characters themselves,
    and a colon at the start belongs to the tag (':d: smile'). Raises SettingsError naming every entry without a colon."""
    found, problems = {}, []
    for entry in _split(text.replace("\n", ";"), ";"):
        entry = entry.strip()
        if not entry:
            continue
        start = 1 if entry.startswith(":") else 0
        first, *rest = _split(entry[start:], ":", 1)
        old, new = _plain(entry[:start] + first), _plain(rest[0]) if rest else ""
        if not rest or not tag_key(old):
            problems.append(f"replace_tags holds '{entry}', but needs 'tag: other tag', with ';' between two of them.")
            continue
        found[tag_key(old)] = new
    raise_problems(SettingsError, WHERE, problems)
    return found


def _split(text: str, mark: str, times: int = -1) -> list[str]:
    """`text` split at `mark`, unless a backslash stands before it; backslashes stay for `_plain`."""
    parts, begin, at = [], 0, 0
    while at < len(text):
        if text[at] == "\\":
            at += 2
            continue
        if text[at] == mark and times != len(parts):
            parts.append(text[begin:at])
            begin = at + 1
        at += 1
    return [*parts, text[begin:]]


def _plain(text: str) -> str:
    return text.replace("\\;", ";").replace("\\:", ":").strip()
