"""What is said of a run's length and words: how often each picture is seen, a trigger word in no prompt."""

from dataclasses import replace

import pytest

from pack.tests.training.run.fakes import Bench
from pack.training.data.advice.length import hints
from pack.training.data.items import make_items
from pack.training.data.specs import CaptionSpec
from pack.training.run.build import make_plan
from pack.training.specs import RunSpec


@pytest.fixture
def said(tmp_path):
    """`said(steps, ...)`: the hints for twelve pictures, so many of them of regularisation."""
    dataset = Bench(tmp_path, RunSpec()).order().recipe.dataset

    def ask(steps: int, *, repeats=1, batch_size=1, regularisation=0, prompts=(), trigger="") -> list[str]:
        samples = [replace(dataset.samples[0], name=f"{i}.png", repeats=repeats, captions=CaptionSpec(trigger=trigger),
                           role="training" if i >= regularisation else "regularisation") for i in range(12)]
        items = make_items(replace(dataset, samples=tuple(samples)))
        return list(hints(items, make_plan(RunSpec(batch_size=batch_size), items), steps, prompts))

    return ask


def test_how_often_each_picture_is_seen(said):
    (text,) = said(1500)
    assert text.startswith("1500 steps on 12 pictures are 125 epochs: each picture is seen 125 times. 50 to 100 times is usual")
    assert said(1200) == []
    (text,) = said(1500, repeats=10)
    assert "are 12 epochs: each picture is seen 125 times." in text
    (text,) = said(400, batch_size=4)
    assert "400 steps on 12 pictures are 133 epochs: each picture is seen 133 times." in text
    (text,) = said(1500, regularisation=8)
    assert "1500 steps on 4 pictures are 125 epochs: each picture is seen 125 times." in text


def test_a_trigger_word_in_no_prompt(said):
    (text,) = said(100, trigger="ohwx", prompts=("a dog", "an ohwxy dog"))
    assert text.startswith("no prompt of Sample Preview holds the trigger word 'ohwx', ")
    assert said(100, trigger="ohwx", prompts=("a dog", "OHWX dog")) == said(100, trigger="ohwx") == said(100, prompts=("a dog",)) == []
