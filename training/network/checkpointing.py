"""Gradient checkpointing: keep a block's input, recompute its inside in backward (Chen et al. 2016).

A unit is the smallest repeated block with something to save: an element of a numbered list that holds at least two
ops and no further list of blocks. So a ten-deep SDXL transformer is ten units, not one; but the layers of a feed-forward,
or its experts, which are lists too, are no blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from ..ops import op_of
from ..parts import Trainable
from .in_place import lazily, recomputable

BLOCK_OPS = 4
"""The least that a block with attention holds: q, k and v (maybe as one), its output, two of the feed-forward."""


def units(root: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """(dotted path, module) of every block to checkpoint. Lists and sequences are looked into, since models
    may call their elements directly (ComfyUI's UNet does)."""
    yield from _units(root, "", in_list=False)


def unit_name(part: str, path: str) -> str:
    """What a block of `units` is called among those of all parts."""
    return f"{part}/{path}"


def recomputed(parts: Sequence[Trainable], chosen: bool | Collection[str]) -> dict[str, dict[str, nn.Module]]:
    """Part -> path -> block: all of them, none, or those whose name is `chosen`. Raises ValueError for a name that no block has."""
    found = {part.name: dict(units(part.module)) if chosen else {} for part in parts}
    if isinstance(chosen, bool):
        return found
    unknown = set(chosen) - {unit_name(part, path) for part, blocks in found.items() for path in blocks}
    if unknown:
        raise ValueError(f"no block is called {', '.join(sorted(unknown))}")
    return {part: {path: block for path, block in blocks.items() if unit_name(part, path) in chosen} for part, blocks in found.items()}


def checkpointed(forward: Callable) -> Callable:
    """`forward`, recomputed in backward. Without gradient (sampling) it is called as it is."""

    def run(*args, **kwargs):
        if not torch.is_grad_enabled():
            return forward(*args, **kwargs)
        # What comes in is kept until backward: lazily cloned, since whoever called may write into it afterwards.
        # Dropout draws from seeded generators of its own, so the global state need not be kept.
        return checkpoint(recomputable(forward), *lazily(args), use_reentrant=False, preserve_rng_state=False, **lazily(kwargs))

    return run


def _units(module: nn.Module, name: str, *, in_list: bool) -> Iterator[tuple[str, nn.Module]]:
    for child_name, child in module.named_children():
        path = f"{name}.{child_name}" if name else child_name
        if in_list and _is_unit(child):
            yield path, child
        else:
            yield from _units(child, path, in_list=in_list or isinstance(child, (nn.ModuleList, nn.Sequential)))


def _is_unit(module: nn.Module) -> bool:
    if isinstance(module, (nn.ModuleList, nn.Sequential)):
        return False
    return _ops(module) >= 2 and not any(_is_list_of_blocks(m) for m in module.modules())


def _is_list_of_blocks(module: nn.Module) -> bool:
    return isinstance(module, nn.ModuleList) and sum(_ops(element) >= BLOCK_OPS for element in module) > 1


def _ops(module: nn.Module) -> int:
    return sum(op_of(m) is not None for m in module.modules())
