import pytest

from pack.training.errors import SettingsError
from pack.training.objective.loss import SmoothL1
from pack.training.objective.menu import LOSSES, PRESERVATIONS, TIMESTEPS, WEIGHTINGS, Knobs, objective_from
from pack.training.objective.preservation import SwappedCaption
from pack.training.objective.spec import ObjectiveSpec
from pack.training.objective.timesteps import Shift, Window


def test_untouched_widgets_are_the_default_spec():
    assert objective_from(Knobs()) == ObjectiveSpec()


@pytest.mark.parametrize(
    "field, menu", [("loss", LOSSES), ("timesteps", TIMESTEPS), ("weighting", WEIGHTINGS), ("preservation", PRESERVATIONS)]
)
def test_every_name_makes_a_choice_of_its_own(field, menu):
    words = {"preservation_trigger": "sks", "preservation_class": "woman"}
    made = [type(getattr(objective_from(Knobs(**{field: name}, **words)), field)) for name in menu]
    assert len(set(made)) == len(menu.names()) > 4


def test_widgets_reach_their_choices():
    spec = objective_from(
        Knobs(
            loss="smooth_l1", huber_c=0.2, huber_schedule="exponential", timesteps="shift", shift=2.0, sigmoid_scale=0.5,
            min_timestep=100, noise_offset=0.05, preservation="class", preservation_trigger="sks", preservation_class="woman",
            preservation_weight=0.5,
        )
    )  # fmt: skip
    assert spec.loss == SmoothL1(c=0.2, schedule="exponential")
    assert spec.timesteps == Shift(k=2.0, scale=0.5)
    assert spec.window == Window(minimum=100, maximum=1000)
    assert spec.noise.offset == 0.05
    assert spec.preservation == SwappedCaption(trigger="sks", class_words="woman", weight=0.5)


def test_unknown_names_are_named_together():
    with pytest.raises(SettingsError) as caught:
        objective_from(Knobs(loss="hubert", timesteps="sigmod", weighting="minsnr", preservation="klass"))
    assert len(caught.value.problems) == 4
    assert "Did you mean 'huber'" in str(caught.value)
    assert set(PRESERVATIONS) == {"none", "regularisation", "outside_mask", "class", "blank_caption"}
