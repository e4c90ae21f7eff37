"""Captions that no run would take are named before it, with their pictures."""

import json

import pytest

from pack.tests.training.data.small_datasets import dataset, sample
from pack.training.data.advice.caption_preview import preview_captions
from pack.training.data.advice.check import caption_problems
from pack.training.data.specs import CaptionSpec
from pack.training.errors import DatasetError, SettingsError

HALF = json.loads('"\\ude00"')
DEEP = "{a|" * 300 + "} " * 300
PLAIN = CaptionSpec()


def problems(captions: CaptionSpec = PLAIN, **texts: str) -> tuple[str, ...]:
    return caption_problems(dataset(*(sample(name, caption=text, captions=captions) for name, text in texts.items())))


def test_half_an_emoji_is_named_with_its_pictures():
    (problem,) = problems(a=f"a dog {HALF}", b=f"a dog {HALF}", c="a dog \N{GRINNING FACE}")
    assert problem.startswith("a, b: the caption has half a character behind 'a dog '") and "Delete it" in problem
    problem.encode()


def test_a_caption_has_a_longest_length():
    assert problems(a="x" * 20_000, b="\n".join(["y" * 15_000] * 3)) == ()
    (problem,) = problems(a="x" * 20_001)
    assert problem == "a: the caption has 20,001 characters, but may have 20,000. Shorten it."
    (problem,) = problems(CaptionSpec(lines="all"), a="\n".join(["y" * 15_000] * 3))
    assert "a: the caption has 45,002 characters" in problem


def test_wildcards_have_a_deepest_depth_where_they_are_read():
    assert problems(a=DEEP) == ()
    (problem,) = problems(CaptionSpec(wildcards=True), a=DEEP, b="{x|{y|z}}")
    assert problem.startswith("a: {wildcards} stand 300 deep in one another, but may be 100 deep. Write them flatter")


def test_the_preview_of_captions_says_it_too():
    with pytest.raises(DatasetError, match="Caption Preview: a: the caption has half a character"):
        preview_captions(dataset(sample("a", caption=HALF)), "", 3, 0)


@pytest.mark.parametrize(("field", "widget"), [("trigger", "trigger_word"), ("prefix", "prefix"), ("separator", "separator")])
def test_widgets_of_captions(field, widget):
    with pytest.raises(SettingsError, match=f"{widget} has 5,000 characters, but may have 2,000"):
        CaptionSpec(**{field: "x" * 5000})
    with pytest.raises(SettingsError, match=f"{widget} has half a character"):
        CaptionSpec(**{field: f"x{HALF}"})
