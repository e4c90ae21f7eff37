import pytest
import torch

from pack.training.errors import SettingsError
from pack.training.optim.groups import ParameterGroup, torch_groups
from pack.training.optim.spec import OptimizerSpec

from .fakes import from_widgets, groups, parameters


def rates(spec: OptimizerSpec, scale: float = 1.0) -> dict[str, float]:
    made = groups(parameters())
    made = [ParameterGroup(group.name, group.parameters, scale) for group in made]
    return {name: group["lr"] for group in torch_groups(spec, made) for name in group["parameter_names"]}


def test_each_part_has_its_rate():
    found = rates(OptimizerSpec(learning_rate=1e-4, text_encoder_lr=5e-5))
    assert found["unet_a.down"] == found["unet_conv.scale"] == 1e-4
    assert found["te_c.down"] == 5e-5


def test_rate_zero_leaves_a_part_out():
    assert not any(name.startswith("te_") for name in rates(OptimizerSpec(text_encoder_lr=0)))


def test_loraplus_by_hand():
    found = rates(OptimizerSpec(learning_rate=1e-4, text_encoder_lr=5e-5, loraplus_ratio=16, loraplus_ratio_text_encoder=4))
    assert found["unet_a.up"] == pytest.approx(16e-4)
    assert found["unet_a.down"] == found["unet_conv.scale"] == 1e-4
    assert found["te_c.up"] == pytest.approx(20e-5)


def test_rules_and_scale():
    rules = "te_c*: lr=1e-3 weight_decay=0\n*conv*: lr_scale=0.5  # half\nunet_conv.scale: lr=0"
    found = rates(from_widgets(learning_rate=1e-4, text_encoder_lr=5e-5, group_rules=rules), scale=2.0)
    assert found["te_c.down"] == pytest.approx(2e-3)
    assert found["unet_conv.down"] == pytest.approx(1e-4)
    assert found["unet_a.down"] == pytest.approx(2e-4)
    assert "unet_conv.scale" not in found


def test_a_rule_can_name_a_part():
    assert rates(from_widgets(group_rules="text_encoder_1: lr=3e-5"))["te_c.up"] == 3e-5


def test_rules_and_loraplus_that_match_nothing_are_errors():
    with pytest.raises(SettingsError, match=r"'text_encoder_3' matches no parameter. Parts here: diffusion_model, text_encoder_1"):
        rates(from_widgets(group_rules="text_encoder_3: lr=1"))
    named = [("m.hada_w1_a", torch.nn.Parameter(torch.zeros(2, 2)))]
    with pytest.raises(SettingsError, match=r"LoRA\+ has no up weights"):
        torch_groups(OptimizerSpec(loraplus_ratio=16), [ParameterGroup("diffusion_model", named)])


def test_nothing_to_train_is_an_error():
    with pytest.raises(SettingsError, match="every learning rate is 0"):
        rates(from_widgets(group_rules="*: lr=0"))


def test_no_decay_with_a_negative_rate():
    made = torch_groups(OptimizerSpec(learning_rate=-1e-4, text_encoder_lr=1e-4, weight_decay=0.1), groups(parameters()))
    assert {group["name"]: group["weight_decay"] for group in made} == {"diffusion_model": 0.0, "text_encoder_1": 0.1}


def test_prodigy_has_one_rate():
    found = rates(OptimizerSpec(optimizer="Prodigy", learning_rate=1.0, text_encoder_lr=0.5))
    assert set(found.values()) == {1.0}
