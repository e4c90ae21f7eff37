"""Learning rate, rank and alpha block by block: what the Block Weights node says, and how its text is read."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TypedDict, cast, get_type_hints

from ..errors import SettingsError, raise_problems
from ..inputs import LONG, shown, text_problems
from ..patterns import pattern_problem
from ..rules import read_lines

WHERE = "Block Weights"
HIGHEST_RANK = 8192
"""Above the width of nearly every layer: what is more could not be used, and would fill the memory."""


class _Settings(TypedDict, total=False):
    """What a line may set, and what reads its number."""

    lr: float
    rank: int
    alpha: float
    conv_rank: int
    conv_alpha: float


@dataclass(frozen=True, kw_only=True, slots=True)
class BlockRule:
    """`where` is a pattern (see `patterns`). `lr` multiplies the learning rate, 0 leaves the modules out; `rank` and
    `alpha` are of linears and 1x1 convolutions, `conv_rank` and `conv_alpha` of the others. None: as the network says."""

    where: str
    lr: float | None = None
    rank: int | None = None
    alpha: float | None = None
    conv_rank: int | None = None
    conv_alpha: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class BlockWeights:
    """`lr`, `ranks` and `alphas` hold one number a block, in one of the orders that the model's family knows (25 for
    SD1.5 and SDXL); `rules` come after them, and a later one wins. Block ranks of 0 leave the block out."""

    lr: tuple[float, ...] = ()
    ranks: tuple[float, ...] = ()
    alphas: tuple[float, ...] = ()
    rules: tuple[BlockRule, ...] = field(default=())

    def __post_init__(self) -> None:
        problems = [f"lr weight {value} is not a finite number." for value in self.lr if not math.isfinite(value)]
        problems += [f"rank {value:g} must be a whole number from 0 to {HIGHEST_RANK:,}." for value in self.ranks if not _is_rank(value)]
        problems += [f"alpha {value:g} must be a finite number above 0." for value in self.alphas if not 0 < value < math.inf]
        for rule in self.rules:
            problems += _problems(rule)
        raise_problems(SettingsError, WHERE, problems)


def read_rules(text: str) -> tuple[BlockRule, ...]:
    """One rule a line (see `rules`): 'down 0-3: lr=0.5 rank=8', '/attn2/: lr=2', 'mid: off'.

    Raises SettingsError naming every line that cannot be read.
    """
    found, problems = read_lines("rules", text, get_type_hints(_Settings), "down 0-3: lr=0.5 rank=8")
    raise_problems(SettingsError, WHERE, problems)
    return tuple(BlockRule(where=pattern, **cast(_Settings, values)) for pattern, values in found)


def read_numbers(name: str, text: str) -> tuple[float, ...]:
    """Numbers separated by commas or blanks; none for an empty text. An empty place between commas is 0, as in kohya's.

    Raises SettingsError for a text that is too long, and for what is no number.
    """
    raise_problems(SettingsError, WHERE, text_problems(name, text, LONG))
    content = text.strip().strip("[]")
    if not content:
        return ()
    words = content.split(",") if "," in content else content.split()
    numbers = []
    for word in words:
        try:
            numbers.append(float(word) if word.strip() else 0.0)
        except ValueError:
            raise SettingsError(WHERE, [f"{name}: '{shown(word.strip())}' is not a number. Write numbers separated by commas."]) from None
    return tuple(numbers)


def _problems(rule: BlockRule) -> list[str]:
    wrong = pattern_problem(rule.where)
    found = [wrong] if wrong else []
    if rule.lr is not None and not math.isfinite(rule.lr):
        found.append(f"'{rule.where}': lr is {rule.lr}, which is not a finite number.")
    for name in ("rank", "conv_rank"):
        value = getattr(rule, name)
        if value is not None and not _is_rank(value):
            found.append(f"'{rule.where}': {name} is {value:,} but must be from 0 to {HIGHEST_RANK:,} (0: not trained).")
    for name in ("alpha", "conv_alpha"):
        value = getattr(rule, name)
        if value is not None and not 0 < value < math.inf:
            found.append(f"'{rule.where}': {name} is {value:g} but must be a finite number above 0.")
    return found


def _is_rank(value: float) -> bool:
    return 0 <= value <= HIGHEST_RANK and value % 1 == 0
