"""'Group rules': other settings for some of the parameters, one rule a line.

    clip_g:         lr=1e-5
    attn2:          lr_scale=0.5
    *_ff_net_*:     weight_decay=0
    down 0-3:       off

A pattern is a part (diffusion_model, clip_l, ...) or a parameter's name in the LoRA file, both with * and ?; what matches
neither is a pattern of module names (see `patterns`). A later rule wins over an earlier one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from ..parts import Section
from ..patterns import matching, pattern_problem
from ..rules import read_lines

_SETTINGS = {"lr": float, "lr_scale": float, "weight_decay": float}


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupRule:
    """`settings` maps some of lr, lr_scale, weight_decay to numbers."""

    pattern: str
    settings: Mapping[str, float]

    def problems(self) -> list[str]:
        found = [
            f"group_rules: '{self.pattern}': {name} is {value}, which is not a finite number."
            for name, value in self.settings.items()
            if not math.isfinite(value)
        ]
        if self.settings.get("weight_decay", 0) < 0:
            found.append(f"group_rules: '{self.pattern}': weight_decay must be at least 0, got {self.settings['weight_decay']:g}.")
        wrong = pattern_problem(self.pattern)
        return [*found, f"group_rules: {wrong}"] if wrong else found


@dataclass(frozen=True, slots=True)
class ModuleNames:
    """What modules are called, for the patterns of rules: `by_key` maps a module's key in the LoRA file to its full name,
    `sections` are the model's numbered blocks. Empty: rules know parts and names in the file only."""

    by_key: Mapping[str, str] = field(default_factory=dict)
    sections: Sequence[Section] = ()

    def of(self, parameter: str) -> str | None:
        """The module of a parameter by its name in the file, '<key>.<parameter>'."""
        return self.by_key.get(parameter.rpartition(".")[0])


def parse_rules(text: str) -> tuple[tuple[GroupRule, ...], list[str]]:
    """Lines of `pattern: name=value ...` -> (rules, what is wrong with the lines that cannot be read)."""
    found, problems = read_lines("group_rules", text, _SETTINGS, "clip_g: lr=1e-5")
    return tuple(GroupRule(pattern=pattern, settings=settings) for pattern, settings in found), problems


def matched(pattern: str, parameters: Mapping[str, str], names: ModuleNames) -> tuple[set[str], str | None]:
    """(the parameters that `pattern` matches, what is wrong with it as a phrase or None); `parameters` maps names in the
    file to parts. Whole names come first: what matches one means no more than it says."""
    whole = {name for name, part in parameters.items() if fnmatchcase(part, pattern) or fnmatchcase(name, pattern)}
    if whole:
        return whole, None
    modules = {name: module for name in parameters if (module := names.of(name))}
    chosen, problem = matching(pattern, list(modules.values()), names.sections)
    return {name for name, module in modules.items() if module in chosen}, problem
