"""Texts that are too long, or hold half a character, are told as such before anybody reads them."""

import json

import pytest

from pack.training.captioning.run import CaptioningSpec
from pack.training.errors import SettingsError
from pack.training.inputs import half_character, shown, text_problems
from pack.training.registry import near_names
from pack.training.specs import PreviewSpec, SamplingSpec

HALF = json.loads('"\\ud83d"')


def test_whole_texts_pass():
    assert text_problems("rules", "mid: off \N{GRINNING FACE} 中文") == []
    assert text_problems("rules", "x" * 10, 10) == []


def test_a_text_that_is_too_long_says_how_long_it_may_be():
    (problem,) = text_problems("rules", "y" * 100_000, 20_000)
    assert "rules has 100,000 characters, but may have 20,000" in problem and len(problem) < 200


def test_half_an_emoji_is_found_where_it_stands():
    assert half_character("a smiling face \N{GRINNING FACE}") is None
    assert "behind 'a smiling face '" in half_character(f"a smiling face {HALF}!")
    assert "at its start" in half_character(HALF)
    assert text_problems("prefix", f"x{HALF}")[0].startswith("prefix has half a character behind 'x'")


def test_what_is_shown_is_short_and_can_be_written():
    assert shown("abc") == "abc"
    assert shown("x" * 500) == "x" * 120 + "..."
    assert shown(f"a{HALF}b").encode() == b"a?b"


def test_near_names_of_a_very_long_name_are_not_sought():
    assert near_names("x" * 100_000, ["down", "up"]) == "Known: down, up."
    assert "Did you mean 'down'" in near_names("dwn", ["down", "up"])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"prompts": ("a", f"b{HALF}")}, "prompt 2 has half"), ({"prompts": ("z" * 20_001,)}, "prompt 1 has 20,001"),
        ({"prompts": ("a",), "negative": HALF}, "negative has half"),
    ],
)  # fmt: skip
def test_prompts(given, said):
    with pytest.raises(SettingsError, match=said):
        PreviewSpec(sampling=SamplingSpec(**given))


def test_a_trigger_word_for_captioning():
    with pytest.raises(SettingsError, match="trigger_word has half"):
        CaptioningSpec(trigger=HALF)
