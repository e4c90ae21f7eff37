"""What is asked later was fixed before, and the fox is not in the world."""

import random
from itertools import combinations as pairs

import numpy as np
import pytest

from pack.demo.pictures import PICTURES
from pack.demo.world.drawn.captions import WORDS, caption, strewn, tokens, varied
from pack.demo.world.drawn.cards import SHAPES, card_of, cards, combinations, held_out, taught
from pack.demo.world.drawn.drawing import doodles, draw, draw_all
from pack.demo.world.drawn.places import PLACES, UNSEEN
from pack.demo.world.drawn.subjects import COLOURS, SUBJECTS


def test_unseen_combinations_are_apart_and_fixed():
    apart, seen = held_out(), taught()
    assert set(apart) | set(seen) == set(combinations()) and not set(apart) & set(seen)
    assert (len(combinations()), len(apart)) == (8 * 6 * 13, 125)
    assert apart[:2] == held_out()[:2] == [("duck", "green", "city"), ("duck", "purple", "volcano")]


@pytest.mark.parametrize("which", list(pairs(range(3), 2)), ids=str)
def test_every_pair_of_an_unseen_combination_is_taught(which):
    """What is new is the three together: each subject is seen in each colour, each place with each subject and colour."""
    seen = {tuple(combination[index] for index in which) for combination in taught()}
    assert {tuple(combination[index] for index in which) for combination in combinations()} == seen


def test_the_fox_is_not_in_the_world():
    assert "fox" not in SUBJECTS and "fox" not in WORDS and "orange" not in COLOURS
    shown = {picture.scene.split("_")[0].replace("plain", "background") for picture in PICTURES}
    assert shown <= set(PLACES) and not shown & set(UNSEEN) and set(UNSEEN) <= set(PLACES)


def test_each_combination_comes_as_often_as_the_next():
    found = cards(2 * len(taught()), 3, taught())
    assert sorted((card.subject, card.colour, card.place) for card in found) == sorted(taught() * 2)
    assert found == cards(2 * len(taught()), 3, taught()) != cards(2 * len(taught()), 4, taught())


@pytest.mark.parametrize("shape", list(SHAPES), ids=str)
def test_a_card_draws_the_same_picture_every_time(shape):
    card = card_of(("cat", "red", "snow"), random.Random(1))
    picture = draw(card, shape)
    assert picture.size == (8 * shape[0], 8 * shape[1])
    assert np.array_equal(np.asarray(picture), np.asarray(draw(card, shape)))


def test_many_processes_draw_what_one_does():
    some = cards(70, 5, taught())
    assert np.array_equal(draw_all(some, workers=2), draw_all(some, workers=1))
    assert doodles(3, 1).shape == (3, 128, 128, 3) and doodles(3, 1).std() > 20


def test_every_combination_is_said_in_words_of_the_grammar():
    numbers = random.Random(2)
    said = {}
    for combination in combinations():
        card = card_of(combination, numbers)
        assert {card.subject, card.colour} <= set(caption(card).split())
        said.setdefault((combination, card.pose), caption(card))
        assert all(tokens(varied(card, numbers)) for _ in range(5))
    assert len(set(said.values())) == len(said)
    assert caption(card_of(("car", "blue", "sea"), numbers)) == "a blue car in the sea"


def test_captions_for_training_leave_each_part_out_now_and_then():
    numbers = random.Random(3)
    texts = [varied(card_of(("bear", "pink", "city"), numbers), numbers) for _ in range(400)]
    for word in ("bear", "pink", "city"):
        assert 0 < sum(word not in text for text in texts) < 100, word


def test_unknown_words_are_strewn_among_the_known_ones():
    known = tokens("a red cat")
    found = strewn(random.Random(4), known)
    assert [number for number in found if number in known] == known and 1 <= len(found) - len(known) <= 6
