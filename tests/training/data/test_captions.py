"""The caption of a draw: order, chance, and that every text is known ahead."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pack.training.data.captions import caption_variants, expand_wildcards, final_caption, has_word, texts_needed, trained_tags
from pack.training.data.dataset import REGULARISATION, VALIDATION, Sample
from pack.training.data.specs import CaptionSpec
from pack.training.errors import SettingsError


def sample(caption="", **fields) -> Sample:
    return Sample(**{"name": "a.png", "picture": None, "caption": caption, **fields})


def text(caption, seed=0, epoch=0, fields=None, **spec) -> str:
    return final_caption(sample(caption, captions=CaptionSpec(**spec), **(fields or {})), seed, epoch)


def draws(caption, count=200, **spec) -> list[str]:
    return [text(caption, seed, **spec) for seed in range(count)]


def test_without_chance_a_caption_stays_as_written():
    assert text("A dog,  on a  hill.Sunny ") == "A dog,  on a  hill.Sunny"


@pytest.mark.parametrize(
    "prefix, suffix, expected",
    [
        ("photo", "", "photo, dog, cat"),
        ("photo of ", "", "photo of dog, cat"),  # its own space: glued as it stands
        ("photo,", "", "photo, dog, cat"),
        ("", "masterpiece", "dog, cat, masterpiece"),
        ("", " in the snow", "dog, cat in the snow"),
        ("", ", best", "dog, cat, best"),
        ("a", "b", "a, dog, cat, b"),
    ],
)
def test_prefix_and_suffix_are_set_off(prefix, suffix, expected):
    assert text("dog, cat", prefix=prefix, suffix=suffix) == expected


def test_prefix_alone_makes_an_empty_caption():
    assert text("", prefix="photo", suffix="sharp") == "photo, sharp"


@pytest.mark.parametrize(
    "caption, expected",
    [
        ("a [trigger] dog", "a ohwx dog"),
        ("a dog", "ohwx, a dog"),
        ("a OHWX dog", "a OHWX dog"),
        ("ohwxy dog", "ohwx, ohwxy dog"),  # only inside a longer word
        ("", "ohwx"),
    ],
)
def test_trigger(caption, expected):
    assert text(caption, trigger="ohwx") == expected


def test_a_placeholder_without_a_trigger_disappears():
    assert text("a [trigger] dog") == "a dog"


def test_regularisation_gets_neither_trigger_nor_prefix():
    fields = {"role": REGULARISATION, "class_words": "dog"}
    assert text("", fields=fields, trigger="ohwx", prefix="photo of ohwx", suffix="x") == "dog"
    assert text("a [trigger] dog", fields=fields, trigger="ohwx") == "a dog"


def test_class_words_stand_in_for_a_missing_caption():
    assert text("  ", fields={"class_words": "sks dog"}) == "sks dog"
    assert text("own", fields={"class_words": "sks dog"}) == "own"


def test_shuffle_keeps_the_first_tokens_and_loses_none():
    found = draws("a, b, c, d, e", shuffle=True, keep_tokens=2, variants=50)
    assert {caption[:6] for caption in found} == {"a, b, "}
    assert {tuple(sorted(caption.split(", "))) for caption in found} == {("a", "b", "c", "d", "e")}
    assert len(set(found)) == 6  # all orders of c, d, e


def test_prefix_is_not_counted_by_keep_tokens():
    found = draws("a, b, c", shuffle=True, keep_tokens=1, prefix="p", variants=30)
    assert set(found) == {"p, a, b, c", "p, a, c, b"}


def test_the_keep_tokens_separator_is_never_trained():
    assert text("a, b ||| c, d ||| e") == "a, b, c, d, e"
    found = draws("a, b ||| c, d ||| e", shuffle=True, keep_tokens=1, variants=30)
    assert set(found) == {"a, b, c, d, e", "a, b, d, c, e"}


def test_the_separator_that_splits_also_joins():
    assert set(draws("a;b;c", shuffle=True, keep_tokens=2, separator=";")) == {"a; b; c"}
    assert set(draws("a b", shuffle=True, separator=" ", variants=30)) == {"a b", "b a"}


def test_secondary_separator_keeps_tags_together():
    found = set(draws("a;;;b, c", shuffle=True, variants=30))
    assert found == {"a, b, c", "c, a, b"}


def test_lines():
    caption = "one dog\n\n two dogs \n"
    assert set(draws(caption)) == {"one dog", "two dogs"}
    assert set(draws(caption, lines="first")) == {"one dog"}
    assert set(draws(caption, lines="all")) == {"one dog two dogs"}


def test_wildcards():
    assert set(draws("a {red|blue} dog", wildcards=True, variants=30)) == {"a red dog", "a blue dog"}
    assert set(draws("a {red|blue} dog")) == {"a {red|blue} dog"}
    nested = {expand_wildcards("{a|{b|c}d}", random.Random(seed)) for seed in range(50)}
    assert nested == {"a", "bd", "cd"}
    assert expand_wildcards("{{a|b}}", random.Random(0)) == "{a|b}"
    assert expand_wildcards("{only} }{", random.Random(0)) == "only }{"


def test_tag_dropout_spares_kept_tags_and_the_trigger():
    assert set(draws("a, ohwx dog, c", tag_dropout=1.0, keep_tokens=1, trigger="ohwx")) == {"a, ohwx dog"}


def test_tag_dropout_rate():
    found = draws(", ".join(f"t{i}" for i in range(100)), count=40, tag_dropout=0.25, variants=100)
    kept = sum(len(caption.split(", ")) for caption in found) / 40
    assert 68 < kept < 82  # expected 75, standard error 0.7


def test_caption_dropout_rate_is_drawn_for_each_draw():
    empty = draws("dog", count=2000, caption_dropout=0.1).count("")
    assert 150 < empty < 250  # expected 200, standard deviation 13


def test_every_second_epoch_without_captions():
    assert [text("dog", epoch=epoch, caption_dropout_every_n_epochs=2) for epoch in range(4)] == ["dog", "", "dog", ""]


def test_validation_captions_stand_still():
    spec = dict(shuffle=True, caption_dropout=1.0, tag_dropout=0.9, trigger="ohwx")
    found = {text("a, b, c", seed, fields={"role": VALIDATION}, **spec) for seed in range(20)}
    assert found == {"ohwx, a, b, c"}


def test_each_sample_follows_its_own_spec():
    samples = [sample("dog", captions=CaptionSpec(trigger=trigger)) for trigger in ("mine", "theirs")]
    assert [final_caption(one, 0, 0) for one in samples] == ["mine, dog", "theirs, dog"]
    assert texts_needed(samples) == ("mine, dog", "theirs, dog")


specs = st.builds(
    CaptionSpec,
    prefix=st.sampled_from(["", "p", "p "]), trigger=st.sampled_from(["", "ohwx"]), shuffle=st.booleans(),
    keep_tokens=st.integers(0, 3), caption_dropout=st.sampled_from([0, 0.5]), tag_dropout=st.sampled_from([0, 0.5]),
    wildcards=st.booleans(), variants=st.integers(1, 6), lines=st.sampled_from(["random", "first", "all"]),
)  # fmt: skip


@given(caption=st.text(alphabet="ab,|{}; \n[]", max_size=40), spec=specs, seed=st.integers(0, 2**62), epoch=st.integers(0, 9))
def test_every_draw_is_known_ahead(caption, spec, seed, epoch):
    one = sample(caption, captions=spec)
    drawn = final_caption(one, seed, epoch)
    assert drawn == final_caption(one, seed, epoch)
    assert drawn in texts_needed([one])
    assert len(caption_variants(one)) <= spec.variants + 1
    assert "|||" not in drawn and ";;;" not in drawn


def test_variants_are_all_used():
    one = sample("a, b, c, d, e, f", captions=CaptionSpec(shuffle=True, variants=4))
    assert {final_caption(one, seed, 0) for seed in range(100)} == set(caption_variants(one))
    assert len(caption_variants(one)) == 4


def test_has_word():
    assert has_word("a (ohwx) dog", "OHWX") and has_word("c++ code", "c++")
    assert not has_word("ohwx_dog", "ohwx") and not has_word("dog", "")


@pytest.mark.parametrize(("text", "word"), [
    ("雪地里的小狐狸在奔跑", "小狐狸"), ("雪の中のキツネが走る", "キツネ"), ("눈 속의 여우가 달린다", "여우"),
    ("จิ้งจอกวิ่งในหิมะ", "จิ้งจอก"), ("一只lcfox在雪地里", "lcfox"),
])
def test_words_without_spaces_are_found_and_never_doubled(text, word):
    assert has_word(text, word) and not has_word(text, "fox")
    assert final_caption(sample(text, captions=CaptionSpec(trigger=word)), 0, 0) == text


def test_tags_are_those_that_are_trained():
    spec = CaptionSpec(trigger="lcfox", prefix="photo", shuffle=True, tag_dropout=0.5, variants=3)
    tags = trained_tags(sample("1boy|||standing, red;;;apple|||[trigger] fox", captions=spec))
    assert sorted(tags) == ["1boy", "apple", "lcfox fox", "photo", "red", "standing"]
    lines = sample("a, b\nc", captions=CaptionSpec(variants=20))
    assert sorted(trained_tags(lines)) == ["a", "b", "c"]
    fixed = replace(lines, captions=CaptionSpec(lines="first"))
    assert trained_tags(fixed) == ("a", "b")


def test_all_problems_are_named_at_once():
    with pytest.raises(SettingsError) as caught:
        CaptionSpec(caption_dropout=1.5, tag_dropout=-0.1, variants=0, lines="some", separator="")
    assert len(caught.value.problems) == 5
