from dataclasses import dataclass

import pytest
from torch import Tensor

from pack.tests.training.run.fakes import Bench
from pack.training.errors import SettingsError
from pack.training.events import StepDone
from pack.training.objective.loss import SmoothL1
from pack.training.objective.menu import LOSSES, PRESERVATIONS, TIMESTEPS, WEIGHTINGS, objective_from, widgets
from pack.training.objective.preservation import SwappedCaption
from pack.training.objective.spec import ObjectiveSpec
from pack.training.objective.timesteps import Shift, Window
from pack.training.objective.widget import Widget, setting
from pack.training.specs import RunSpec


def test_untouched_widgets_are_the_default_spec():
    assert objective_from({}) == ObjectiveSpec()
    assert objective_from({widget.name: widget.default for widget in widgets()}) == ObjectiveSpec()


@pytest.mark.parametrize(
    "field, menu", [("loss", LOSSES), ("timesteps", TIMESTEPS), ("weighting", WEIGHTINGS), ("preservation", PRESERVATIONS)]
)
def test_every_name_makes_a_choice_of_its_own(field, menu):
    words = {"preservation_trigger": "sks", "preservation_class": "woman"}
    made = [
        type(getattr(objective_from({field: name, **words}, [1.0, 0.0] if name == "few_steps" else None), field)) for name in menu
    ]
    assert len(set(made)) == len(menu.names()) > 4


def test_widgets_reach_their_choices():
    spec = objective_from(
        dict(
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
        objective_from(dict(loss="hubert", timesteps="sigmod", weighting="minsnr", preservation="klass"))
    assert len(caught.value.problems) == 4
    assert "Did you mean 'huber'" in str(caught.value)
    assert set(PRESERVATIONS) == {"none", "regularisation", "outside_mask", "class", "blank_caption", "few_steps"}


#: What must be chosen for a setting to count, where that is not the default.
COUNTS_WITH = {
    "huber_c": {"loss": "huber"}, "huber_schedule": {"loss": "log_cosh"},
    "min_snr_gamma": {"weighting": "min_snr"}, "p2_gamma": {"weighting": "p2"}, "v_pred_like_strength": {"weighting": "v_pred_like"},
    "logit_mean": {"timesteps": "logit_normal"}, "logit_std": {"timesteps": "logit_normal"}, "sigmoid_scale": {"timesteps": "sigmoid"},
    "shift": {"timesteps": "shift"}, "mode_scale": {"timesteps": "mode"}, "random_strength": {"noise_offset": 0.1},
    "preservation_weight": {"preservation": "blank_caption"},
    "preservation_trigger": {"preservation": "class", "preservation_class": "b"},
    "preservation_class": {"preservation": "class", "preservation_trigger": "a"},
}


@pytest.mark.parametrize("widget", widgets(), ids=lambda widget: widget.name)
def test_every_widget_changes_the_objective(widget):
    one, other = ({**COUNTS_WITH.get(widget.name, {}), widget.name: value} for value in two_values(widget))
    assert objective_from(one) != objective_from(other)


def two_values(widget: Widget):
    """Two that the widget can hold."""
    if widget.options:
        return widget.options[:2]
    if isinstance(widget.default, bool):
        return True, False
    if isinstance(widget.default, str):
        return "one", "other"
    end = widget.least if widget.default > widget.least else widget.most
    return widget.default, (widget.default + end) / 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Power:
    """|d|^exponent."""

    exponent: float = setting(Widget("power_exponent", 2.0, tooltip="For power: 2 is l2.", least=1.0, most=4.0, step=0.5))

    def problems(self) -> list[str]:
        return []

    def elementwise(self, d: Tensor, position: Tensor, fraction: Tensor) -> Tensor:
        return d.abs() ** self.exponent


def test_a_new_loss_brings_its_own_setting(tmp_path, monkeypatch):
    """The class is all: its field is the node's last widget, and a step is trained with what the widget says."""

    def loss_of(name: str, **values) -> float:
        bench = Bench(folder=tmp_path / name, run_spec=RunSpec(steps=1), objective=objective_from({**values, "loss": name.split()[0]}))
        bench.run()
        return bench.recorder.of(StepDone)[0].loss

    with monkeypatch.context() as patched:
        patched.setitem(LOSSES._entries, "power", Power)
        assert [widget.name for widget in widgets()][-2:] == ["guidance", "power_exponent"] and "power" in widgets()[0].options
        assert loss_of("power") == pytest.approx(loss_of("l2")) and loss_of("power 1", power_exponent=1.0) == pytest.approx(loss_of("l1"))
    assert "power_exponent" not in [widget.name for widget in widgets()]
