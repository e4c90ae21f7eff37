"""From confidences to tags, worked out by hand."""

import pytest

from pack.training.captioning.tag_rules import (
    Seen,
    TagRules,
    caption_tags,
    is_kaomoji,
    parse_replacements,
    parse_tags,
)  # fmt: skip
from pack.training.errors import SettingsError

SEEN = [
    Seen("general", 9, 0.2), Seen("sensitive", 9, 0.7), Seen("1girl", 0, 0.9), Seen("long_hair", 0, 0.95), Seen("smile", 0, 0.35),
    Seen("o_o", 0, 0.5), Seen("hat", 0, 0.34), Seen("hatsune_miku", 4, 0.85), Seen("rin_(vocaloid)", 4, 0.84),
]  # fmt: skip


def tags(**rules) -> str:
    return ", ".join(caption_tags(SEEN, TagRules(**rules)))


def test_thresholds_are_inclusive_and_apart():
    assert tags() == "hatsune miku, long hair, 1girl, o_o, smile"
    assert tags(general_threshold=0.5, character_threshold=0.84) == "hatsune miku, rin (vocaloid), long hair, 1girl, o_o"


def test_order():
    assert tags(characters_first=False) == "long hair, 1girl, hatsune miku, o_o, smile"
    assert tags(rating="first") == "sensitive, hatsune miku, long hair, 1girl, o_o, smile"
    assert tags(rating="last").endswith("smile, sensitive")
    assert tags(always_first=("smile", "absent", "LONG HAIR"), rating="first") == "smile, long hair, sensitive, hatsune miku, 1girl, o_o"


def test_the_series_of_a_character_is_a_tag_of_its_own():
    def expanded(*names, **rules) -> str:
        seen = [Seen(name, 4, 0.9) for name in names]
        return ", ".join(caption_tags(seen, TagRules(expand_characters=True, **rules)))

    assert expanded("rin_(vocaloid)", "len_(vocaloid)", "miku") == "rin, vocaloid, len, miku"
    assert expanded("saber_(costume)_(fate)", spaces=False) == "saber_(costume), fate"
    assert expanded("rin_(vocaloid)", undesired=("vocaloid",), replacements={"rin": "kagamine rin"}) == "kagamine rin"
    assert tags(character_threshold=0.84).split(", ")[1] == "rin (vocaloid)"
    assert ", ".join(caption_tags([Seen("smile_(art)", 0, 0.9)], TagRules(expand_characters=True))) == "smile (art)"


def test_what_is_left_out():
    assert tags(undesired=("Long Hair", "o_o", "hatsune_miku")) == "1girl, smile"
    assert tags(max_tags=1) == "hatsune miku, long hair"
    assert tags(max_tags=1, undesired=("long_hair",)) == "hatsune miku, 1girl"


def test_underscores_stay_on_request():
    assert tags(spaces=False) == "hatsune_miku, long_hair, 1girl, o_o, smile"


def test_replacements_can_split_join_and_remove():
    assert tags(replacements=parse_replacements("long_hair: hair, flowing; smile:")) == "hatsune miku, hair, flowing, 1girl, o_o"
    assert tags(replacements={"1girl": "woman", "smile": "Woman"}) == "hatsune miku, long hair, woman, o_o"
    assert tags(replacements={"1girl": "woman"}, undesired=("woman",)) == "hatsune miku, long hair, o_o, smile"
    assert tags(replacements={"1girl": "woman"}, always_first=("woman",)).startswith("woman, hatsune")


@pytest.mark.parametrize("tag", ["0_0", "(o)_(o)", "+_+", "+_-", "._.", "<o>_<o>", "<|>_<|>", "=_=", ">_<", "3_3", "6_9", ">_o",
                                 "@_@", "^_^", "o_o", "u_u", "x_x", "|_|", "||_||"])  # fmt: skip
def test_kaomoji_keep_their_mouth(tag):
    assert is_kaomoji(tag)


@pytest.mark.parametrize("tag", ["long_hair", "hat", "rin_(vocaloid)", "a_b_c", "t-shirt_lift", "_x", "k-on!_1"])
def test_other_tags_are_no_kaomoji(tag):
    assert not is_kaomoji(tag)


def test_parsing():
    assert parse_tags(" a , b,\nc,, a") == ("a", "b", "c")
    assert parse_replacements("a b:c; d_e : f, g;\n:d: smile; smile2: :d; x\\;y:z\\:w;") == {
        "a b": "c", "d e": "f, g", ":d": "smile", "smile2": ":d", "x;y": "z:w",
    }  # fmt: skip
    assert parse_replacements("") == {}


def test_every_mistake_is_named():
    with pytest.raises(SettingsError, match="(?s)2 problems.*holds 'a'.*holds 'b c'"):
        parse_replacements("a; x:y; b c")
    with pytest.raises(SettingsError, match="(?s)4 problems.*general_threshold is 0.*character_threshold is 2.*rating_tag.*max_tags"):
        TagRules(general_threshold=0, character_threshold=2, rating="no", max_tags=-1)
