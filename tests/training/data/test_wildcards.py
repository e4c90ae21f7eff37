"""{a|b} in captions: chosen innermost first, in one pass, however they stand in one another."""

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pack.training.data.captions import DEEPEST_WILDCARD, expand_wildcards, wildcard_problem
from pack.training.errors import DatasetError

INNERMOST = re.compile(r"\{([^{}]*)\}")


def pass_by_pass(caption: str, rng: random.Random) -> str:
    """What it means, written down another way: all innermost ones, then those that have become innermost, and so on."""
    caption = caption.replace("{{", "\0").replace("}}", "\1")
    while INNERMOST.search(caption):
        caption = INNERMOST.sub(lambda found: rng.choice(found[1].split("|")).strip(), caption)
    return caption.replace("\0", "{").replace("\1", "}")


@given(text=st.text("{}| ab", max_size=30), seed=st.integers(0, 5))
def test_one_pass_chooses_what_pass_by_pass_chooses(text, seed):
    """Also which draws are made, in which order: captions of older runs stay what they were."""
    one, other = random.Random(seed), random.Random(seed)
    assert expand_wildcards(text, one) == pass_by_pass(text, other)
    assert one.getstate() == other.getstate()


def test_deep_ones_are_refused_with_how_deep_they_may_be():
    at_most = "{a|" * DEEPEST_WILDCARD + "} " * DEEPEST_WILDCARD
    assert wildcard_problem(at_most) is None
    expand_wildcards(at_most, random.Random(0))
    deep = "{a|" * 20_000 + "}b" * 20_000
    assert "20,000 deep in one another, but may be 100 deep" in wildcard_problem(deep)
    with pytest.raises(DatasetError, match="20,000 deep"):
        expand_wildcards(deep, random.Random(0))


def test_many_braces_that_never_close_are_read_once():
    assert expand_wildcards("{ " * 200_000, random.Random(0)) == "{ " * 200_000
