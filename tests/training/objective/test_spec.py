import json

import pytest

from pack.training.errors import ModelError, SettingsError
from pack.training.objective.loss import Huber
from pack.training.objective.noise import NoiseSpec
from pack.training.objective.preservation import BlankCaption, SwappedCaption
from pack.training.objective.spec import ObjectiveSpec, default_for, resolve
from pack.training.objective.timesteps import FluxShift, LogitNormal, ModelTable, Uniform, Window
from pack.training.objective.weights import MinSNR, NoisePredLike, NoWeighting, VPredLike
from pack.training.settings import describe


def test_defaults_by_parametrisation():
    for discrete in ("epsilon", "v"):
        spec = default_for(discrete)
        assert spec.timesteps == Uniform() and spec.weighting == MinSNR(gamma=5.0)
    flow = default_for("flow")
    assert flow.timesteps == FluxShift() and flow.weighting == NoWeighting()
    with pytest.raises(ModelError):
        default_for("x0")


def test_resolve_keeps_what_was_chosen():
    spec = ObjectiveSpec(timesteps=LogitNormal(mean=0.5))
    assert resolve(spec, "flow").timesteps == LogitNormal(mean=0.5)


def test_all_problems_are_named_at_once():
    with pytest.raises(SettingsError) as caught:
        ObjectiveSpec(
            loss=Huber(c=-1),
            timesteps=LogitNormal(std=0),
            window=Window(minimum=900, maximum=100),
            noise=NoiseSpec(offset=5),
            prior_weight=-1,
            preservation=SwappedCaption(trigger="", class_words="", weight=0),
        )
    assert len(caught.value.problems) == 8
    assert caught.value.where == "Training Objective"


def test_v_pred_like_is_for_epsilon_models():
    spec = ObjectiveSpec(weighting=VPredLike())
    assert resolve(spec, "epsilon").weighting == VPredLike()
    with pytest.raises(SettingsError, match="epsilon models"):
        resolve(spec, "flow")


def test_captions_of_preservation():
    assert SwappedCaption(trigger="sks", class_words="woman").caption("photo of sks") == "photo of woman"
    assert BlankCaption().caption("photo of sks") == ""


def test_describe_is_json_and_names_the_types():
    described = describe(default_for("flow"))
    assert described["timesteps"] == {"type": "FluxShift", "base_shift": 0.5, "max_shift": 1.15, "scale": 1.0}
    assert described["preservation"] is None
    json.dumps(described)


def test_odd_choices_are_warned_about():
    for parametrisation in ("epsilon", "v", "flow"):
        assert ObjectiveSpec().warnings(parametrisation) == []
        assert default_for(parametrisation).warnings(parametrisation) == []
    odd = ObjectiveSpec(noise=NoiseSpec(offset=0.05), weighting=MinSNR())
    assert len(odd.warnings("flow")) == 2 and odd.warnings("epsilon") == []
    assert "too strong" in ObjectiveSpec(noise=NoiseSpec(offset=0.05, multires_iterations=6)).warnings("epsilon")[0]
    assert "'uniform'" in ObjectiveSpec(timesteps=FluxShift()).warnings("v")[0]
    assert "the same as" in ObjectiveSpec(timesteps=ModelTable()).warnings("v")[0]
    assert "changes nothing" in ObjectiveSpec(weighting=NoisePredLike()).warnings("epsilon")[0]
