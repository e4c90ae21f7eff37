"""What a step takes of a model that nobody has loaded."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pack.benchmarks import cards
from pack.tests.comfy import full_size, tiny_models
from pack.tests.comfy.newer_configs import completed
from pack.training.memory.choice import ALL, NONE, MemoryChoice
from pack.training.memory.choose import Costs
from pack.training.network.spec import NetworkSpec
from pack.training.specs import RunSpec

#: Billions of weights, as their makers say.
PUBLISHED = {"sd15": 0.86, "sdxl": 2.57, "flux": 11.9, "z_image": 6.15, "qwen_image": 20.4, "wan": 14.3}


def work(**given):
    from pack.host.header.step import Work

    return Work(side=64, network=NetworkSpec(rank=2, alpha=2.0), run=RunSpec(precision="fp32"), **given)


def bare(comfy, kind: str, config: dict, dtype=torch.float32):
    from pack.host.header.bare import bare_model

    return bare_model(getattr(comfy.module("comfy.supported_models"), kind)(completed(comfy, config)), dtype, dtype)


def test_it_costs_what_the_loaded_one_costs(comfy):
    from pack.host.header.step import step_cost

    tiny = next(tiny for tiny in tiny_models.TRAINED if tiny.kind == "Flux")
    found, loaded = step_cost(bare(comfy, tiny.kind, tiny.config), work()), step_cost(tiny_models.patcher(comfy, tiny), work())
    assert found is not None and loaded is not None
    assert found.weights == loaded.weights > 0
    for recompute in (ALL, NONE):
        choice = MemoryChoice(recompute=recompute)
        assert found.plan_for(choice) == loaded.plan_for(choice)


def test_it_comes_whole_from_one_program_to_another(comfy):
    """The middle way's trace too, which 'auto' looks at."""
    from pack.host.header.costs import read, written
    from pack.host.header.step import step_cost

    tiny = next(tiny for tiny in tiny_models.TRAINED if tiny.kind == "Flux")
    cost = step_cost(bare(comfy, tiny.kind, tiny.config), replace(work(), run=RunSpec(precision="fp32", memory="auto")))
    assert cost is not None and cost.cheap is not None
    assert read(json.loads(json.dumps(written(cost)))) == cost


def test_what_nobody_knows_a_caption_of_is_left_alone(comfy):
    from pack.host.header.step import step_cost

    tiny = next(tiny for tiny in tiny_models.TRAINED if tiny.kind == "PixArtAlpha")
    assert step_cost(tiny_models.empty_patcher(comfy, tiny), work()) is None


@pytest.mark.parametrize("family", PUBLISHED)
def test_the_full_size_is_that_of_the_published_model(comfy, family):
    kind, config = full_size.CONFIGS[family]
    weights = sum(own.numel() for own in bare(comfy, kind, config, torch.bfloat16).model.diffusion_model.parameters())
    assert weights / 1e9 == pytest.approx(PUBLISHED[family], rel=0.01)


def test_a_card_says_what_stays_and_what_does_not_fit(comfy):
    from pack.benchmarks.cards import GIB, ROWS, _cell

    costs = Costs(beside=lambda choice: (2 if choice.recompute == ALL else 9) * GIB, weights=4 * GIB,
                  saves={"a": 7 * GIB}, flops={"a": 10**12})
    said = [_cell(ROWS[2], costs, card) for card in (2, 6, 8, 16)]
    assert said == ["no", "2.0: 69 % stays, all twice", "2.0: whole, all twice", "9.0: whole"]


def test_the_page_has_every_model_and_card():
    page = (Path(cards.__file__).parents[1] / "docs" / "cards.md").read_text(encoding="utf-8")
    assert all(f"| {row.title} |" in page for row in cards.ROWS)
    assert " | ".join(f"{card} GB" for card in cards.CARDS) in page
