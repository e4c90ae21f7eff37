"""Which modules get an adapter: presets by the shape of a name, then names to add and to leave out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..errors import SettingsError
from ..registry import near_names
from .ops import Op
from .spec import WHERE, TargetSpec

ATTENTION = "attention"
ATTENTION_AND_FEED_FORWARD = "attention + feed-forward"
ALL_LINEAR = "all linear"
ALL = "all linear + convolution"
PRESETS = (ATTENTION_AND_FEED_FORWARD, ATTENTION, ALL_LINEAR, ALL)


@dataclass(frozen=True, slots=True)
class Blocks:
    """A family's own words for its parts: regular expressions searched in a module's dotted path.

    `trunk` holds the linears and 1x1 convolutions of the repeated transformer blocks; `attention` is the attention
    within it; `convolution` is what conv_rank adds (LoCon). Input, output and embedding layers lie in none of them
    and are adapted by the 'all' presets only.
    """

    trunk: str
    attention: str
    convolution: str


#: Fits every model whose blocks sit in numbered lists, which is how they are all written.
GENERIC = Blocks(
    trunk=r"(^|\.)\w+\.\d+\.",
    attention=r"attn|attention|qkv|to_[qkv]\b|to_out|(^|\.)[qkvo]$|\bw[qkvo]\b",
    convolution=r"(^|\.)\w+\.\d+\.",
)


def select(ops: Sequence[tuple[str, Op]], spec: TargetSpec, blocks: Blocks, *, with_convolutions: bool) -> list[str]:
    """The names of the modules to adapt, in the model's order.

    `with_convolutions` (conv_rank > 0) adds what the family calls its convolutional part.
    Raises SettingsError for an unknown preset, and for a pattern that matches nothing.
    """
    if spec.preset not in PRESETS:
        raise SettingsError(WHERE, [f"unknown targets '{spec.preset}'. {near_names(spec.preset, list(PRESETS))}"])
    names = [name for name, _ in ops]
    chosen = {name for name, op in ops if _in_preset(name, op, spec.preset, blocks, with_convolutions)}
    problems = []
    for pattern in spec.include:
        matched = _matching(pattern, names)
        problems += _nothing("include", pattern, matched, names)
        chosen |= matched
    for pattern in spec.exclude:
        matched = _matching(pattern, names)
        problems += _nothing("exclude", pattern, matched, names)
        chosen -= matched
    if problems:
        raise SettingsError(WHERE, problems)
    if not chosen:
        raise SettingsError(WHERE, ["no module is left to train. Remove something from 'exclude', or choose wider targets."])
    return [name for name in names if name in chosen]


def _in_preset(name: str, op: Op, preset: str, blocks: Blocks, with_convolutions: bool) -> bool:
    if preset == ALL or (with_convolutions and re.search(blocks.convolution, name)):
        return True
    if not (op.is_linear or op.is_pointwise):
        return False
    if preset == ALL_LINEAR:
        return True
    if not re.search(blocks.trunk, name):
        return False
    return preset == ATTENTION_AND_FEED_FORWARD or bool(re.search(blocks.attention, name))


def _matching(pattern: str, names: Iterable[str]) -> set[str]:
    if len(pattern) > 1 and pattern.startswith("/") and pattern.endswith("/"):
        try:
            expression = re.compile(pattern[1:-1])
        except re.error as error:
            raise SettingsError(WHERE, [f"'{pattern}' is not a regular expression: {error}."]) from error
        return {name for name in names if expression.search(name)}
    return {name for name in names if pattern in name}


def _nothing(field: str, pattern: str, matched: set[str], names: list[str]) -> list[str]:
    if matched:
        return []
    parts = sorted({part for name in names for part in name.split(".") if not part.isdigit()})
    return [f"'{pattern}' in {field} matches no module. {near_names(pattern, parts)}"]
