"""The one trigger word, wherever a text says [trigger]."""

from dataclasses import replace

import pytest

from pack.tests.training.data.small_datasets import sample
from pack.training.data.dataset import Dataset
from pack.training.data.specs import CaptionSpec
from pack.training.errors import SettingsError
from pack.training.network.spec import NetworkSpec
from pack.training.objective.menu import objective_from
from pack.training.optim.spec import OptimizerSpec
from pack.training.recipe import Recipe
from pack.training.specs import OwnSettings, PreviewSpec, RunSpec, SamplingSpec


def recipe(trigger="ohwx", prompts=("[trigger] in the snow", "a fox"), negative="not [trigger]", **objective) -> Recipe:
    dataset = Dataset(samples=(sample("a", captions=CaptionSpec(trigger=trigger)),))
    preview = PreviewSpec(sampling=SamplingSpec(prompts=prompts, negative=negative))
    return Recipe(dataset=dataset, network=NetworkSpec(), optimizer=OptimizerSpec(), objective=objective_from(objective), run=RunSpec(),
                  preview=preview)


def test_prompts_say_the_trigger_word():
    spoken = recipe(" ohwx ").spoken()
    assert spoken.preview.sampling.prompts == ("ohwx in the snow", "a fox") and spoken.preview.sampling.negative == "not ohwx"
    assert not any("[trigger]" in text for text in spoken.warnings("epsilon"))


def test_negatives_of_prompts_say_it_too():
    before = recipe()
    sampling = replace(before.preview.sampling, own=(OwnSettings(negative="no [trigger]"), OwnSettings(seed=3)))
    spoken = replace(before, preview=replace(before.preview, sampling=sampling)).spoken()
    assert spoken.preview.sampling.own == (OwnSettings(negative="no ohwx"), OwnSettings(seed=3))
    assert spoken.preview.sampling.prompts == ("ohwx in the snow", "a fox") and spoken.preview.sampling.negative == "not ohwx"


def test_without_one_it_is_left_out_and_said():
    spoken = recipe("").spoken()
    assert spoken.preview.sampling.prompts == ("in the snow", "a fox") and spoken.preview.sampling.negative == "not"
    [told] = [text for text in spoken.warnings("epsilon") if "[trigger]" in text]
    assert "trigger_word on Load Dataset" in told


def test_texts_without_it_are_as_they_were():
    before = recipe(prompts=("  a fox ",), negative="")
    assert before.spoken().preview == before.preview
    assert replace(before, preview=None).spoken() == replace(before, preview=None)


def test_preservation_replaces_it():
    kept = {"preservation": "class", "preservation_trigger": "[trigger]", "preservation_class": "fox"}
    assert recipe(**kept).spoken().objective.preservation.caption("photo of ohwx") == "photo of fox"
    with pytest.raises(SettingsError, match="no trigger word is set"):
        recipe("", **kept).spoken()
