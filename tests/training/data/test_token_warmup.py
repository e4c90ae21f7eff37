"""Captions whose tags grow over the first updates: kohya's formula by hand, and every text known ahead."""

import pytest

from pack.training.data.batches import BatchPlan
from pack.training.data.captions import caption_variants, final_caption
from pack.training.data.dataset import VALIDATION
from pack.training.data.specs import CaptionSpec
from pack.training.errors import SettingsError

from .small_datasets import sample

CAPTION = "a, b, c, d, e, f"


def caption(step, **settings) -> str:
    return final_caption(sample("x", caption=CAPTION, captions=CaptionSpec(**settings)), 1, 0, step)


def test_by_hand():
    grow = {"token_warmup_step": 10, "token_warmup_min": 2}
    # floor(step * (6 - 2) / 10) + 2
    assert [len(caption(step, **grow).split(", ")) for step in range(12)] == [2, 2, 2, 3, 3, 4, 4, 4, 5, 5, 6, 6]
    assert caption(0, **grow) == "a, b" and caption(9, **grow) == "a, b, c, d, e"
    assert caption(None, **grow) == caption(0) == CAPTION
    assert caption(3, token_warmup_step=10, token_warmup_min=9) == CAPTION
    assert caption(0, token_warmup_step=10, token_warmup_min=0) == ""


def test_kept_tags_and_the_trigger_are_there_from_the_start():
    assert caption(0, token_warmup_step=5, keep_tokens=2, trigger="ohwx") == "ohwx, a, b, c"


def test_the_first_tags_come_first_and_are_shuffled_among_themselves():
    for step, letters in ((0, "a"), (5, "abc"), (9, "abcde")):
        assert sorted(caption(step, token_warmup_step=10, shuffle=True).replace(", ", "")) == list(letters)


def test_every_text_is_known_ahead():
    one = sample("x", caption=CAPTION, captions=CaptionSpec(token_warmup_step=7, shuffle=True, tag_dropout=0.2, variants=4))
    ahead = set(caption_variants(one))
    assert {final_caption(one, seed, 0, step) for seed in range(40) for step in range(9)} <= ahead
    assert caption_variants(sample("x", caption=CAPTION, role=VALIDATION, captions=CaptionSpec(token_warmup_step=7))) == (CAPTION,)


def test_draws_know_their_update():
    plan = BatchPlan([(64, 64)] * 3, [1] * 3, batch_size=1, accumulation=2, seed=0)
    assert [draw.step for step in range(4) for batch in plan.group(step) for draw in batch] == [0, 0, 1, 2, 2, 3]


def test_what_is_refused():
    with pytest.raises(SettingsError, match="token_warmup_step is -1"):
        CaptionSpec(token_warmup_step=-1)
