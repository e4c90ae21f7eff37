"""The shipped base draws what it is asked for, in combinations that it never saw; `make world-score` counts on 200."""

import pytest
import torch

from pack.demo.world.assemble import assemble
from pack.demo.world.drawn.captions import caption
from pack.demo.world.files import PACK
from pack.demo.world.pack import MOST_BYTES
from pack.demo.world.score import Source, asked, graph
from pack.demo.world.scoring import shares
from pack.demo.world.train import judge_on

pytestmark = pytest.mark.skipif(not PACK.exists(), reason="the base has not been trained: make world")
COUNT = 6


def test_the_pack_is_small_enough_to_be_committed():
    assert PACK.stat().st_size <= MOST_BYTES


def test_unseen_combinations_are_drawn(comfy, run_prompt):
    """At 9 right of 10, four of six or fewer would come once in nine times; seeds are fixed, so it comes always or never."""
    path = assemble(comfy.base / "models" / "checkpoints" / "world.safetensors")
    cards = asked(COUNT)
    result = run_prompt(graph(Source(path.name), [caption(card) for card in cards], seed=1))
    found = torch.cat([result.value(f"picture{number}") for number in range(COUNT)]).permute(0, 3, 1, 2)
    assert shares(cards, judge_on(torch.device("cpu")).says(found))["all"] >= 5 / 6
