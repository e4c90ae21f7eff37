"""Which modules get an adapter: presets by the shape of a name, then names to add and to leave out."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..errors import SettingsError, raise_problems
from ..ops import Op
from ..parts import DIFFUSION_MODEL, Blocks, Section, Trainable
from ..patterns import matching, sections_in
from ..registry import near_names
from .spec import WHERE, TargetSpec

ATTENTION = "attention"
ATTENTION_AND_FEED_FORWARD = "attention + feed-forward"
ALL_LINEAR = "all linear"
ALL = "all linear + convolution"
PRESETS = (ATTENTION_AND_FEED_FORWARD, ATTENTION, ALL_LINEAR, ALL)


class Names:
    """Every module of every part by its full name, in order, then the diffusion model's norms if they are trained; and the
    sections that patterns may speak of."""

    def __init__(self, parts: Sequence[Trainable], *, with_norms: bool = False):
        self.places = {part.full_name(path): (part.name, path) for part in parts for path, _ in part.ops}
        norms = [(part.full_name(path), (part.name, path)) for part in parts if part.name == DIFFUSION_MODEL for path, _ in part.norms]
        self.norms = dict(norms) if with_norms else {}
        self.places |= self.norms
        self.all = list(self.places)
        self.sections: tuple[Section, ...] = ()
        for part in parts:
            self.sections += part.blocks.sections or (
                sections_in(path for path, _ in part.ops) if part.name == DIFFUSION_MODEL else ()
            )

    def matching(self, pattern: str) -> tuple[set[str], str | None]:
        return matching(pattern, self.all, self.sections)


def select(parts: Sequence[Trainable], spec: TargetSpec, *, with_convolutions: bool, with_norms: bool = False) -> list[str]:
    """The full names of the modules to train, in the order of `Names`.

    `with_convolutions` (conv_rank > 0) adds what the family calls its convolutional part, `with_norms` every norm.
    Raises SettingsError for an unknown preset, and for a pattern that matches nothing.
    """
    if spec.preset not in PRESETS:
        raise SettingsError(WHERE, [f"unknown targets '{spec.preset}'. {near_names(spec.preset, list(PRESETS))}"])
    names = Names(parts, with_norms=with_norms)
    chosen = set(names.norms) | {
        part.full_name(path)
        for part in parts
        for path, op in part.ops
        if _in_preset(path, op, spec.preset, part.blocks, with_convolutions)
    }
    problems = []
    for field, patterns in (("include", spec.include), ("exclude", spec.exclude)):
        for pattern in patterns:
            matched, problem = names.matching(pattern)
            problems += [f"{field}: {problem}"] if problem else []
            chosen = chosen | matched if field == "include" else chosen - matched
    raise_problems(SettingsError, WHERE, problems)
    if not chosen:
        raise SettingsError(WHERE, ["no module is left to train. Remove something from 'exclude', or choose wider targets."])
    return [name for name in names.all if name in chosen]


def _in_preset(path: str, op: Op, preset: str, blocks: Blocks, with_convolutions: bool) -> bool:
    if blocks.by_name_only:
        return False
    if preset == ALL or (with_convolutions and re.search(blocks.convolution, path)):
        return True
    if not (op.is_linear or op.is_pointwise):
        return False
    if preset == ALL_LINEAR:
        return True
    if not re.search(blocks.trunk, path):
        return False
    return preset == ATTENTION_AND_FEED_FORWARD or bool(re.search(blocks.attention, path))
