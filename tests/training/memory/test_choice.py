"""MemoryChoice: what it accepts, and says of a block."""

import pytest

from pack.training.memory.choice import MemoryChoice, by_hand
from pack.training.network.checkpointing import unit_name


@pytest.mark.parametrize("wrong", [{"recompute": "some"}, {"activations": "paged"}, {"state": "disk"}, {"recompute": ["a"]}])
def test_refuses_what_it_does_not_know(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        MemoryChoice(**wrong)


def test_which_blocks_are_recomputed():
    first, second = unit_name("diffusion_model", "blocks.0"), unit_name("diffusion_model", "blocks.1")
    recomputed = {choice.recompute: [choice.recomputes(first), choice.recomputes(second)] for choice in (
        MemoryChoice(recompute="all"), MemoryChoice(recompute="none"), MemoryChoice(recompute="cheap"),
        MemoryChoice(recompute=("diffusion_model/blocks.1",)), MemoryChoice(recompute=()),
    )}  # fmt: skip
    assert recomputed == {
        "all": [True, True], "none": [False, False], "cheap": [True, True],
        ("diffusion_model/blocks.1",): [False, True], (): [False, False],
    }  # fmt: skip


def test_by_hand_is_the_switch_of_before():
    assert by_hand(True) == MemoryChoice(recompute="all")
    assert by_hand(False) == MemoryChoice(recompute="none")
