"""Learning rate, rank and alpha block by block: how the text is read, and what comes of it."""

import pytest

from pack.tests.training.network.models import Convolutions, Tower, part_of
from pack.training.errors import SettingsError
from pack.training.network.block_weights import BlockRule, BlockWeights, read_numbers, read_rules
from pack.training.network.build import build_network
from pack.training.network.report import network_report
from pack.training.network.slots import slots_for
from pack.training.network.spec import NetworkSpec, TargetSpec
from pack.training.parts import GENERIC


def test_rules_are_read():
    text = (
        "layers 0-1: lr=0.5 rank=8, alpha=4\n\n# a comment\n/attn[12]:?$/: lr=-2  # unlearn\n"
        "proj_in: off\nconvs: conv_rank=2 conv_alpha=1"
    )
    assert read_rules(text) == (
        BlockRule(where="layers 0-1", lr=0.5, rank=8, alpha=4.0),
        BlockRule(where="/attn[12]:?$/", lr=-2.0),
        BlockRule(where="proj_in", lr=0.0),
        BlockRule(where="convs", conv_rank=2, conv_alpha=1.0),
    )


def test_every_line_that_cannot_be_read_is_named():
    with pytest.raises(SettingsError) as error:
        read_rules("layers 0 lr=1\nlayers 0: lrr=1\nlayers 0: lr=x\nlayers 0:\nlayers 1: lr=1")
    assert len(error.value.problems) == 4
    text = str(error.value)
    assert "line 1: 'layers 0 lr=1' has no ':'" in text and "line 2: 'lrr=1' is not a setting. Did you mean 'lr'" in text
    assert "line 3: 'lr=x': 'x' is not a number" in text and "line 4: nothing is set" in text


@pytest.mark.parametrize(("text", "numbers"), [("", ()), ("1,,0.5", (1.0, 0.0, 0.5)), ("[1, 2]", (1.0, 2.0)), ("1 2  3", (1.0, 2.0, 3.0))])
def test_numbers_are_read(text, numbers):
    assert read_numbers("ranks", text) == numbers


def test_numbers_that_are_none():
    with pytest.raises(SettingsError, match="ranks: 'b' is not a number"):
        read_numbers("ranks", "1,b")
    with pytest.raises(SettingsError) as error:
        BlockWeights(lr=(float("inf"),), ranks=(-1.0, 1.5), alphas=(0.0,), rules=(BlockRule(where="x", rank=-1, alpha=0.0),))
    assert len(error.value.problems) == 6


def slots(model=None, blocks=GENERIC, **settings):
    spec = NetworkSpec(rank=4, alpha=2.0, **settings)
    return {path: (s.rank, s.alpha, s.lr) for (_, path), s in slots_for(spec, [part_of(model or Tower(depth=3), blocks=blocks)]).items()}


def weights(*rules: str, **lists) -> BlockWeights:
    return BlockWeights(rules=read_rules("\n".join(rules)), **lists)


def test_later_rules_win_setting_by_setting():
    found = slots(block_weights=weights("layers: lr=0.5 rank=8", "layers 1: rank=2", "to_q: alpha=9", "layers 2: off"))
    assert found["layers.0.ff.0"] == (8, 2.0, 0.5)
    assert found["layers.0.attn1.to_q"] == (8, 9.0, 0.5)
    assert found["layers.1.attn1.to_q"] == (2, 9.0, 0.5)
    assert not any("layers.2" in path for path in found)


def test_a_list_has_one_number_a_block_and_rules_come_after_it():
    found = slots(block_weights=weights("layers 0: rank=1", lr=(1.0, 0.0, 3.0), ranks=(5.0, 6.0, 7.0), alphas=(1.0, 2.0, 3.0)))
    assert found["layers.0.ff.0"] == (1, 1.0, 1.0)
    assert found["layers.2.ff.0"] == (7, 3.0, 3.0)
    assert not any("layers.1" in path for path in found)


def test_a_list_of_the_wrong_length():
    with pytest.raises(SettingsError, match=r"lr has 2 values, but this model takes 3 \(layers 0 to layers 2\)"):
        slots(block_weights=weights(lr=(1.0, 2.0)))


def test_rules_without_effect_are_errors():
    with pytest.raises(SettingsError) as error:
        slots(targets=TargetSpec(preset="attention"),
              block_weights=weights("layer 9: off", "layers 9: off", "ff: rank=2", "to_q: conv_rank=2"))
    problems = error.value.problems
    assert len(problems) == 4 and error.value.where == "Block Weights"
    assert "Did you mean 'layers'" in problems[0] and "layers has blocks 0 to 2" in problems[1]
    assert "matches 6 modules, but none that is trained" in problems[2] and "Set conv_rank" in problems[3]


def test_ranks_of_convolutions():
    found = slots(Convolutions(), conv_rank=3, conv_alpha=1.0, block_weights=weights("blocks 0: rank=2 conv_rank=5 conv_alpha=6"))
    assert found == {"blocks.0.conv": (5, 6.0, 1.0), "blocks.0.point": (2, 2.0, 1.0), "blocks.0.linear": (2, 2.0, 1.0)}


def test_everything_off():
    with pytest.raises(SettingsError, match="every target has learning rate or rank 0"):
        slots(block_weights=weights("layers: off"))


def test_parameters_by_learning_rate():
    spec = NetworkSpec(rank=4, block_weights=weights("layers 1: lr=0.5", "layers 2: lr=0.5"))
    groups = build_network(spec, [part_of(Tower(depth=3))], seed=0).by_lr_scale("diffusion_model")
    assert {scale: len(named) for scale, named in groups.items()} == {1.0: 8, 0.5: 16}
    assert groups[1.0][0][0] == "diffusion_model.layers.0.attn1.to_q.down"


@pytest.mark.parametrize("settings", [{}, {"init": "orthogonal"},
                                      *({"algorithm": name}
                                        for name in ("dora", "loha", "lokr", "oft", "boft", "glora", "ia3", "lora_fa"))])
def test_the_report_counts_what_is_built(settings):
    parts = [part_of(Tower(depth=2)), part_of(Tower(depth=1), "clip_l")]
    spec = NetworkSpec(rank=4, targets=TargetSpec(include=("clip_l.layers",)), block_weights=weights("layers 1: rank=6 lr=0.5"), **settings)
    report = network_report(spec, parts, "Tower")
    network = build_network(spec, parts, seed=0)
    assert report.startswith(f"Tower, {spec.algorithm}: 12 layers, {network.parameter_count():,} trained numbers")
    lines = {line.split("  ")[0].strip(): line.split() for line in report.splitlines()[2:]}
    assert lines["layers 1"][2:6] == ["4", "6", "16", "0.5"] and lines["layers 0"][2:6] == ["4", "4", "16", "1"]
    assert lines["clip_l"][1] == "4"
    assert "4 other layers stay as they are." in report
    assert ("'layers 1' matches 4 layers, 4 of them trained: "
            "layers.1.attn1.to_q, layers.1.attn1.to_out.0, layers.1.ff.0, layers.1.ff.2") in report


def test_the_report_tells_what_a_rule_switches_off():
    spec = NetworkSpec(rank=4, targets=TargetSpec(preset="attention"),
                       block_weights=weights("layers 0: off", "layers: lr=1", "layers 0: off"))
    report = network_report(spec, [part_of(Tower(depth=2))], "Tower")
    assert ("'layers' matches 8 layers, 2 of them trained: "
            "layers.0.attn1.to_q, layers.0.attn1.to_out.0, layers.0.ff.0, layers.0.ff.2 and 4 more") in report


def test_what_would_fill_the_memory_or_never_end_is_refused():
    with pytest.raises(SettingsError, match="rules has 210,000 characters"):
        read_rules("proj_in: off\nlayers: off\n" * 8_400)
    with pytest.raises(SettingsError, match="rank is 99,999,999,999 but must be from 0 to 8,192"):
        BlockWeights(rules=read_rules("layers 0: rank=99999999999"))
    with pytest.raises(SettingsError, match="alpha is inf but must be a finite number above 0"):
        BlockWeights(rules=read_rules("layers 0: alpha=inf"))
    with pytest.raises(SettingsError, match="a pattern has 5,000 characters"):
        BlockWeights(rules=read_rules("x" * 5_000 + ": off"))
    with pytest.raises(SettingsError, match="ranks has 100,000 characters"):
        read_numbers("ranks", "1" * 100_000)
    with pytest.raises(SettingsError, match="rank inf must be a whole number from 0 to 8,192"):
        BlockWeights(ranks=(float("inf"),))
