"""Words and tags added, removed and replaced in captions. What is not changed keeps every character, each line by itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from ...errors import SettingsError, raise_problems
from ...inputs import SHORT, text_problems
from ..captions import has_word, word_pattern

KINDS = ("add", "remove", "replace")
UNITS = ("tag", "word")
PLACES = ("start", "end")


@dataclass(frozen=True, kw_only=True)
class Change:
    """What is done to each caption.

    `kind`: one of KINDS. `unit`: 'tag' means what stands between separators, as a whole, several in `what` one by one; 'word' means
    whole words or a phrase, wherever they stand. Case does not count when they are looked for. `to` replaces; '' takes away. `place`
    is where something is added; what a caption has already is not added twice.
    """

    WHERE: ClassVar = "Data set"

    kind: str
    what: str
    to: str = ""
    unit: str = "tag"
    place: str = "end"
    separator: str = ","

    def __post_init__(self) -> None:
        problems = [
            f"{name} is '{value}' but must be one of {', '.join(allowed)}."
            for name, value, allowed in (("kind", self.kind, KINDS), ("unit", self.unit, UNITS), ("place", self.place, PLACES))
            if value not in allowed
        ]
        problems += [problem for name in ("what", "to") for problem in text_problems(name, getattr(self, name), SHORT)]
        if not self.what.strip(f" \t{self.separator}"):
            problems.append(f"there is nothing to {self.kind}. Write a {self.unit}.")
        if "\n" in self.what + self.to:
            problems.append("what is changed must stand on one line.")
        raise_problems(SettingsError, self.WHERE, problems)

    def applied(self, caption: str) -> str:
        """The caption once it is changed."""
        lines = caption.split("\n") if caption.strip() else [""]
        on_a_line = self._on_tags if self.unit == "tag" else self._on_words
        return "\n".join(on_a_line(line) if line.strip() or len(lines) == 1 else line for line in lines)

    def _on_tags(self, line: str) -> str:
        tags, wanted = _tags(line, self.separator), _tags(self.what, self.separator)
        there, looked_for = {tag.casefold() for tag in tags}, {tag.casefold() for tag in wanted}
        if self.kind == "add":
            new = [tag for tag in wanted if tag.casefold() not in there]
            if not new:
                return line
            return self._glued(new, line) if self.place == "start" else self._glued(new, line, behind=True)
        if not there & looked_for:
            return line
        instead = _tags(self.to, self.separator) if self.kind == "replace" else []
        kept, done = [], {tag.casefold() for tag in tags if tag.casefold() not in looked_for}
        for tag in tags:
            if tag.casefold() not in looked_for:
                kept.append(tag)
                continue
            kept += [new for new in instead if new.casefold() not in done]
            done |= {new.casefold() for new in instead}
        return self._joiner.join(kept)

    def _glued(self, new: list[str], line: str, behind: bool = False) -> str:
        old, text = line.strip().strip(self.separator).strip(), self._joiner.join(new)
        return self._joiner.join(part for part in ((old, text) if behind else (text, old)) if part)

    @property
    def _joiner(self) -> str:
        return f"{self.separator} "

    def _on_words(self, line: str) -> str:
        what = self.what.strip()
        if self.kind == "add":
            if has_word(line, what):
                return line
            return " ".join(part for part in ((what, line.strip()) if self.place == "start" else (line.strip(), what)) if part)
        if not has_word(line, what):
            return line
        to = self.to.strip() if self.kind == "replace" else ""
        changed = word_pattern(what).sub(lambda _: to, line)
        return changed if to else _tidied(changed, self.separator)


def _tags(text: str, separator: str) -> list[str]:
    return [tag.strip() for tag in text.split(separator) if tag.strip()]


def _tidied(line: str, separator: str) -> str:
    """Without the double spaces, and the separators with nothing between them, that a word leaves behind."""
    mark = re.escape(separator)
    line = re.sub(r"[ \t]{2,}", " ", line)
    line = re.sub(rf"\s*{mark}(?:\s*{mark})+", separator, line)
    line = re.sub(rf"\s+(?=[{mark}.;:!?])", "", line)
    return line.strip().removeprefix(separator).removesuffix(separator).strip()
