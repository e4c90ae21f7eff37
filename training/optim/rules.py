"""'Group rules': other settings for some of the parameters, one rule a line.

    clip_g:         lr=1e-5
    *attn2*:        lr_scale=0.5
    *_ff_net_*:     weight_decay=0

The pattern (with * and ?) is held against the part's name (diffusion_model, clip_l, clip_g, t5xxl) and against each
parameter's name in the LoRA file. A later rule wins over an earlier one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ..registry import near_names

SETTINGS = ("lr", "lr_scale", "weight_decay")


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupRule:
    """`settings` maps some of lr, lr_scale, weight_decay to numbers."""

    pattern: str
    settings: Mapping[str, float]

    def matches(self, part: str, parameter: str) -> bool:
        return fnmatchcase(part, self.pattern) or fnmatchcase(parameter, self.pattern)


def parse_rules(text: str) -> tuple[tuple[GroupRule, ...], list[str]]:
    """Lines of `pattern: name=value ...` -> (rules, problems); empty lines and what follows a # are skipped."""
    rules, problems = [], []
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.split("#")[0].strip()
        if not line:
            continue
        pattern, colon, rest = line.rpartition(":")
        if not colon or not pattern.strip() or not rest.strip():
            problems.append(f"group_rules line {number}: '{line}' is not 'pattern: lr=...'. Example: clip_g: lr=1e-5")
            continue
        settings = {}
        for pair in rest.replace(",", " ").split():
            problem = _read(pair, settings)
            problems += [f"group_rules line {number}: {problem}"] if problem else []
        rules.append(GroupRule(pattern=pattern.strip(), settings=settings))
    return tuple(rules), problems


def _read(pair: str, settings: dict[str, float]) -> str | None:
    """Put `name=number` into settings; the problem, if there is one."""
    name, _, value = pair.partition("=")
    if name not in SETTINGS:
        return f"unknown setting '{name}'. {near_names(name, list(SETTINGS))}"
    try:
        settings[name] = float(value)
    except ValueError:
        return f"'{value}' is not a number for {name}."
    return f"weight_decay must be at least 0, got {value}." if name == "weight_decay" and settings[name] < 0 else None
