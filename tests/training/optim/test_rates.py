"""A rate for each text encoder of its own."""

import pytest

from pack.training.errors import SettingsError
from pack.training.optim.groups import ParameterGroup, torch_groups
from pack.training.optim.rates import parse_rates
from pack.training.optim.spec import OptimizerSpec

from .fakes import from_widgets, groups, parameters


def test_reading():
    assert parse_rates("clip_l: 5e-5, clip_g=1e-5;t5xxl 0\n") == ({"clip_l": 5e-5, "clip_g": 1e-5, "t5xxl": 0.0}, [])
    assert parse_rates(" ") == ({}, [])


@pytest.mark.parametrize(("text", "said"), [
    ("5e-5", "'5e-5' must be a text encoder and its rate"), ("clip_l: fast", "'clip_l: fast' must be"), ("clip_l: nan", "must be"),
    ("clip_l: 1, clip_l: 2", "names 'clip_l' twice"), ("diffusion_model: 1", "the diffusion model's rate is learning_rate"),
    ("clip_l: 1" + "0" * 3000, "text_encoder_rates has"),
])  # fmt: skip
def test_what_cannot_be_read(text, said):
    with pytest.raises(SettingsError, match=said):
        from_widgets(text_encoder_rates=text)


def rates(**widgets) -> dict[str, float]:
    made = [*groups(parameters()), ParameterGroup("text_encoder_2", [("te2.down", parameters()["te_c.down"])])]
    return {group["name"]: group["lr"] for group in torch_groups(from_widgets(**widgets), made)}


def test_each_goes_before_the_rate_for_all():
    assert rates(text_encoder_lr=1e-5, text_encoder_rates="text_encoder_2: 3e-5") == {
        "diffusion_model": 1e-4,
        "text_encoder_1": 1e-5,
        "text_encoder_2": 3e-5,
    }
    assert rates(text_encoder_lr=1e-5, text_encoder_rates="text_encoder_1: 0") == {"diffusion_model": 1e-4, "text_encoder_2": 1e-5}
    assert rates(text_encoder_rates="text_encoder_2: 3e-5") == {"diffusion_model": 1e-4, "text_encoder_2": 3e-5}


def test_one_alone_trains_text_encoders():
    assert OptimizerSpec(text_encoder_rates={"clip_l": 1e-5}).trains_text_encoders
    assert not OptimizerSpec(text_encoder_rates={"clip_l": 0.0}).trains_text_encoders


def test_an_encoder_that_is_not_there_is_named():
    with pytest.raises(SettingsError, match="has a rate for 't5xxl', but LoRA Network .* Its text encoders here: text_encoder_1"):
        rates(text_encoder_rates="t5xxl: 1e-5")


def test_optimizers_with_one_rate_refuse_them():
    with pytest.raises(SettingsError, match="Prodigy has one learning rate for everything, so text_encoder_rates"):
        from_widgets(optimizer="Prodigy", learning_rate=1.0, text_encoder_rates="clip_l: 1e-5")
    with pytest.raises(SettingsError, match="cannot use a negative learning rate"):
        from_widgets(optimizer="ScheduleFreeAdamW", learning_rate=0.0, text_encoder_rates="clip_l: -1e-5")
