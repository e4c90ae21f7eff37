import json
from dataclasses import asdict

import pytest

from pack.training.errors import SettingsError
from pack.training.optim.spec import OptimizerSpec

from .fakes import from_widgets


def said(**settings) -> str:
    return "\n".join(from_widgets(**settings).warnings())


def test_the_defaults_are_fine():
    assert OptimizerSpec().warnings() == []
    json.dumps(asdict(OptimizerSpec()))


def test_all_problems_at_once():
    with pytest.raises(SettingsError) as caught:
        from_widgets(
            optimizer="AdamW8bits", scheduler="cosinus", weight_decay=-1, max_grad_norm=-1, ema_decay=1.0, warmup_percent=200,
            extra_arguments="nonsense", group_rules="x: lr=abc", scheduler_cycles=0,
        )  # fmt: skip
    assert len(caught.value.problems) == 9
    assert "Did you mean 'AdamW8bit'" in str(caught.value)


def test_unknown_extra_argument_is_an_error_at_birth():
    with pytest.raises(SettingsError, match="Did you mean 'betas'"):
        from_widgets(extra_arguments="beta=0.9,0.99")


def test_refused_optimizers_say_why():
    with pytest.raises(SettingsError, match="must evaluate the model inside its update"):
        OptimizerSpec(optimizer="LBFGS")


def test_group_rules_are_checked():
    with pytest.raises(SettingsError, match="line 1: 'rl=1e-5' is not a setting. Did you mean 'lr'"):
        from_widgets(group_rules="text_encoder_1: rl=1e-5")
    with pytest.raises(SettingsError, match="group_rules, line 2: 'oops' has no ':'"):
        from_widgets(group_rules="a: lr=1\noops")


def test_nothing_to_train():
    with pytest.raises(SettingsError, match="both 0"):
        OptimizerSpec(learning_rate=0, text_encoder_lr=0)
    OptimizerSpec(learning_rate=0, text_encoder_lr=1e-5)


def test_optimizers_that_find_their_rate():
    assert "expects learning_rate 1" in said(optimizer="Prodigy", learning_rate=1e-4)
    assert "whatever text_encoder_lr is" in said(optimizer="Prodigy", learning_rate=1, text_encoder_lr=0.5)
    assert said(optimizer="Prodigy", learning_rate=1, text_encoder_lr=1) == ""
    for settings in ({"loraplus_ratio": 16}, {"learning_rate": -1.0}, {"group_rules": "te: lr=1"}):
        with pytest.raises(SettingsError, match="Prodigy"):
            from_widgets(**{"optimizer": "Prodigy", "learning_rate": 1.0, **settings})


def test_odd_choices_are_warned_about():
    assert "unlearns" in said(learning_rate=-1e-4)
    assert "very high for Lion" in said(optimizer="Lion", learning_rate=1e-2)
    assert "constant_with_warmup" in said(scheduler="constant", warmup_steps=10)
    assert "needs no schedule" in said(optimizer="ScheduleFreeAdamW")
    assert "has no weight decay" in said(optimizer="sm3")


def test_loraplus_and_stopping_by_hand():
    spec = OptimizerSpec(loraplus_ratio=16, loraplus_ratio_text_encoder=4, stop_text_encoder_at=30)
    assert (spec.loraplus_of("diffusion_model"), spec.loraplus_of("text_encoder_2")) == (16, 4)
    assert spec.text_encoders_stop_at(1000) == 300
    assert OptimizerSpec().text_encoders_stop_at(1000) == 1000
