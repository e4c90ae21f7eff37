"""What counts as a block to recompute."""

import pytest
import torch
from torch import nn

from pack.tests.training.network.models import Block, Tower, part_of
from pack.training.network.checkpointing import checkpointed, recomputed, units


def names(model: nn.Module) -> list[str]:
    return [name for name, _ in units(model)]


def test_the_elements_of_a_list():
    assert names(Tower(depth=3)) == ["layers.0", "layers.1", "layers.2"]


def test_the_innermost_list_of_blocks():
    """A transformer that repeats blocks is as many units as it has blocks, not one."""
    model = nn.Module()
    model.levels = nn.ModuleList([Tower(depth=2), Block()])
    assert names(model) == ["levels.0.layers.0", "levels.0.layers.1", "levels.1"]


def test_lists_inside_a_block_are_no_blocks():
    """Feed-forwards and their experts are lists too; a block that holds them is recomputed as one."""
    block = Block()
    block.net = nn.ModuleList([nn.Sequential(nn.Linear(2, 4), nn.GELU()), nn.Linear(4, 2)])
    block.experts = nn.ModuleList([nn.Sequential(nn.Linear(2, 4), nn.GELU(), nn.Linear(4, 2)) for _ in range(3)])
    model = nn.Module()
    model.layers = nn.ModuleList([block])
    assert names(model) == ["layers.0"]


def test_nothing_to_recompute():
    assert names(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))) == []
    assert names(Block()) == []


def test_recomputed_once_in_backward_and_not_without_gradient():
    calls = []
    weight = torch.ones(3, requires_grad=True)
    block = checkpointed(lambda x: calls.append(1) or (x * weight).sin())
    block(torch.ones(3)).sum().backward()
    assert len(calls) == 2
    assert torch.allclose(weight.grad, torch.cos(torch.ones(3)))
    with torch.no_grad():
        block(torch.ones(3))
    assert len(calls) == 3


def test_the_blocks_that_are_chosen():
    parts = [part_of(Tower(depth=2)), part_of(Tower(depth=1), name="clip_l")]
    chosen = {
        choice: {part: list(blocks) for part, blocks in recomputed(parts, choice).items()}
        for choice in (True, False, (), ("diffusion_model/layers.1", "clip_l/layers.0"))
    }
    assert chosen == {
        True: {"diffusion_model": ["layers.0", "layers.1"], "clip_l": ["layers.0"]},
        False: {"diffusion_model": [], "clip_l": []},
        (): {"diffusion_model": [], "clip_l": []},
        ("diffusion_model/layers.1", "clip_l/layers.0"): {"diffusion_model": ["layers.1"], "clip_l": ["layers.0"]},
    }


def test_a_name_that_no_block_has():
    with pytest.raises(ValueError, match="no block is called diffusion_model/layers.2"):
        recomputed([part_of(Tower(depth=2))], ("diffusion_model/layers.0", "diffusion_model/layers.2"))
