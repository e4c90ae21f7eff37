import pytest
import torch

from pack.training.errors import SettingsError
from pack.training.optim.groups import ParameterGroup, torch_groups
from pack.training.optim.rules import ModuleNames
from pack.training.optim.spec import OptimizerSpec
from pack.training.parts import Section

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


NAMES = ModuleNames(
    by_key={"unet_a": "input_blocks.1.attn2.to_k", "unet_conv": "input_blocks.2.conv", "te_c": "text_encoder_1.layers.0.attn2"},
    sections=(Section("down", r"^input_blocks\.(\d+)\."),),
)


def named_rates(rules: str) -> dict[str, float]:
    spec = from_widgets(learning_rate=1e-4, text_encoder_lr=1e-4, group_rules=rules)
    return {name: group["lr"] for group in torch_groups(spec, groups(parameters()), NAMES) for name in group["parameter_names"]}


def changed(rules: str) -> set[str]:
    """The modules, by their keys, whose parameters have another rate."""
    found = named_rates(rules)
    return {name.rpartition(".")[0] for name in parameters() if found.get(name) != 1e-4}


@pytest.mark.parametrize(("pattern", "modules"), [
    ("attn2", {"unet_a", "te_c"}), ("text_encoder_1.layers", {"te_c"}), ("/attn\\d\\.to_k$/", {"unet_a"}),
    ("down", {"unet_a", "unet_conv"}), ("down 2-4", {"unet_conv"}), ("*.attn?.*", {"unet_a"}), ("input_blocks.?.conv", {"unet_conv"}),
])  # fmt: skip
def test_a_rule_can_speak_of_modules(pattern, modules):
    assert changed(f"{pattern}: lr_scale=0.5") == changed(f"{pattern}: off") == modules


def test_whole_names_come_before_modules():
    """'*_a*' is the name of parameters in the file; that modules' names are made of other words changes nothing."""
    assert changed("*_a*: lr=1") == {"unet_a"}
    assert changed("text_encoder_1: lr=1") == {"te_c"}
    assert changed("diffusion_model: lr=1") == {"unet_a", "unet_conv"}
    assert {name for name, rate in named_rates("unet_a.up: lr=1").items() if rate == 1} == {"unet_a.up"}
    # a module whose name has it too is left out: the pattern is a name in the file already
    shadow = ModuleNames(by_key={**NAMES.by_key, "unet_conv": "attn_a.conv"}, sections=NAMES.sections)
    spec = from_widgets(group_rules="*_a*: lr=1")
    fast = [group for group in torch_groups(spec, groups(parameters()), shadow) if group["lr"] == 1]
    assert [group["parameter_names"] for group in fast] == [["unet_a.down", "unet_a.up"]]


def test_patterns_of_modules_that_match_nothing_say_why():
    with pytest.raises(SettingsError) as caught:
        named_rates("atn2: lr=1\ndown 7: lr=1\n/(/: lr=1")
    reasons = ["Did you mean 'attn2'", "down has blocks 1 to 2", "is not a regular expression"]
    for problem, said in zip(caught.value.problems, reasons, strict=True):
        assert said in problem and "matches no parameter. Parts here: diffusion_model, text_encoder_1" in problem


def test_nothing_to_train_is_an_error():
    with pytest.raises(SettingsError, match="diffusion_model 0.0001, text_encoder_1 .*group_rules or Block Weights make them 0 everywhere"):
        rates(from_widgets(group_rules="*: lr=0"))


def test_no_decay_with_a_negative_rate():
    made = torch_groups(OptimizerSpec(learning_rate=-1e-4, text_encoder_lr=1e-4, weight_decay=0.1), groups(parameters()))
    assert {group["name"]: group["weight_decay"] for group in made} == {"diffusion_model": 0.0, "text_encoder_1": 0.1}


def test_prodigy_has_one_rate():
    found = rates(OptimizerSpec(optimizer="Prodigy", learning_rate=1.0, text_encoder_lr=0.5))
    assert set(found.values()) == {1.0}
