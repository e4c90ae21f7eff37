"""A part of the model that is trained, and its family's words for what is in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from .ops import Norm, Op, named_norms, named_ops
from .protocols import WeightAccess

if TYPE_CHECKING:
    from torch import nn

DIFFUSION_MODEL = "diffusion_model"

#: Where an adapter sits: its part's name, and the module's dotted path below it.
Place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Section:
    """`pattern` has one group: the number of the block that a module's path lies in."""

    name: str
    pattern: str

    def number(self, path: str) -> int | None:
        found = re.search(self.pattern, path)
        return int(found.group(1)) if found else None


@dataclass(frozen=True, slots=True)
class Blocks:
    """A family's own words for its parts: regular expressions searched in a module's dotted path.

    `trunk` holds the linears and 1x1 convolutions of the repeated transformer blocks; `attention` is the attention
    within it; `convolution` is what conv_rank adds (LoCon). Input, output and embedding layers lie in none of them
    and are adapted by the 'all' presets only. `sections` are its numbered blocks; `lists` are the orders in which
    people write one number a block, such as kohya's 25 (12 down, 1 mid, 12 up). `by_name_only`: no preset chooses from this
    part, only 'include' does.
    """

    trunk: str
    attention: str
    convolution: str
    sections: tuple[Section, ...] = ()
    lists: tuple[tuple[str, ...], ...] = ()
    by_name_only: bool = False


#: Fits every model whose blocks sit in numbered lists, which is how they are all written.
GENERIC = Blocks(
    trunk=r"(^|\.)\w+\.\d+\.",
    attention=r"attn|attention|qkv|to_[qkv]\b|to_out|(^|\.)[qkvo]$|\bw[qkvo]\b",
    convolution=r"(^|\.)\w+\.\d+\.",
)


@dataclass(frozen=True, kw_only=True)
class Trainable:
    """A part of the model that adapters may be attached to.

    `name` is the learning-rate group ('diffusion_model', or a text encoder's name such as 'clip_l'); `module` the
    borrowed module; `file_keys` maps a submodule's dotted path to its key in the LoRA file; `blocks` are its family's
    words for what is in it.
    """

    name: str
    module: "nn.Module"
    file_keys: Mapping[str, str]
    weights: WeightAccess
    blocks: Blocks = GENERIC

    @cached_property
    def ops(self) -> tuple[tuple[str, Op], ...]:
        """(dotted path, op) of everything that an adapter can sit on and that has a key in the file, in order."""
        return tuple((path, op) for path, _, op in named_ops(self.module) if path in self.file_keys)

    @cached_property
    def norms(self) -> tuple[tuple[str, Norm], ...]:
        """(dotted path, norm) of every norm that has a key in the file, in order."""
        return tuple((path, norm) for path, _, norm in named_norms(self.module) if path in self.file_keys)

    def has_bias(self, path: str) -> bool:
        return getattr(self.module.get_submodule(path), "bias", None) is not None

    def full_name(self, path: str) -> str:
        """What patterns are matched against: paths of a text encoder carry its name in front."""
        return path if self.name == DIFFUSION_MODEL else f"{self.name}.{path}"
