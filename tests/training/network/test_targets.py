"""Presets, include and exclude; a pattern that matches nothing says so."""

import pytest

from pack.tests.training.network.models import Convolutions, Tower, part_of
from pack.training.errors import SettingsError
from pack.training.network.spec import TargetSpec
from pack.training.network.targets import PRESETS, select
from pack.training.parts import Section
from pack.training.patterns import matching, ranges

LAYER = ["attn1.to_q", "attn1.to_out.0", "ff.0", "ff.2"]


@pytest.fixture
def parts():
    return [part_of(Tower(depth=2))]


def chosen(parts, preset="attention + feed-forward", include=(), exclude=(), **options) -> list[str]:
    options.setdefault("with_convolutions", False)
    return select(parts, TargetSpec(preset=preset, include=tuple(include), exclude=tuple(exclude)), **options)


def test_presets(parts):
    trunk = [f"layers.{i}.{name}" for i in (0, 1) for name in LAYER]
    assert chosen(parts) == trunk
    assert chosen(parts, "attention") == [name for name in trunk if "attn1" in name]
    assert chosen(parts, "all linear") == ["proj_in", *trunk, "proj_out"]


def test_convolutions_come_with_conv_rank_or_with_all():
    parts = [part_of(Convolutions())]
    assert chosen(parts) == ["blocks.0.point", "blocks.0.linear"]
    whole = ["blocks.0.conv", "blocks.0.point", "blocks.0.linear"]
    assert chosen(parts, with_convolutions=True) == whole
    assert chosen(parts, "all linear") == ["blocks.0.point", "blocks.0.linear"]
    assert chosen(parts, "all linear + convolution") == whole


def test_include_adds_and_exclude_takes_away(parts):
    assert chosen(parts, "attention", include=["proj_in"], exclude=["/layers\\.1/"]) == [
        "proj_in", "layers.0.attn1.to_q", "layers.0.attn1.to_out.0",
    ]
    assert chosen(parts, "attention", include=["proj_*"], exclude=["layers.*.to_out.?"]) == [
        "proj_in", "layers.0.attn1.to_q", "layers.1.attn1.to_q", "proj_out",
    ]
    assert chosen(parts, exclude=["layers 1"]) == [f"layers.0.{name}" for name in LAYER]


def test_a_pattern_of_one_part_need_not_match_the_other(parts):
    """'proj_in' is no module of the text encoder; its own modules carry its name."""
    both = [*parts, part_of(Tower(depth=1), "clip_l")]
    assert chosen(both, "attention", include=["proj_in"]) == ["proj_in", *chosen(parts, "attention"), "clip_l.proj_in"]
    assert chosen(both, "attention", include=["clip_l.proj_in"]) == [*chosen(parts, "attention"), "clip_l.proj_in"]


def test_every_pattern_that_matches_nothing_is_named(parts):
    with pytest.raises(SettingsError) as error:
        chosen(parts, include=["proj_inn", "/to_k$/"], exclude=["layers 7", "/(/"])
    text = str(error.value)
    assert len(error.value.problems) == 4
    assert "'proj_inn' matches no module. Did you mean 'proj_in'" in text
    assert "'/to_k$/' matches no module. Did you mean 'to_q'" in text
    assert "layers has blocks 0 to 1" in text
    assert "'/(/' is not a regular expression" in text


def test_nothing_left(parts):
    with pytest.raises(SettingsError, match="no module is left"):
        chosen(parts, exclude=["layers"])
    with pytest.raises(SettingsError, match="Did you mean 'attention'"):
        chosen(parts, "attentoin")
    assert len(PRESETS) == 4


def test_sections_by_number():
    section = Section("down", r"^input_blocks\.(\d+)\.")
    names = [f"input_blocks.{i}.0.conv" for i in range(12)] + ["down_stairs"]
    assert matching("down 1-2, 10", names, [section])[0] == {names[1], names[2], names[10]}
    assert matching("down", names, [section])[0] == set(names[:12])
    assert matching("down_", names, [section])[0] == {"down_stairs"}
    assert matching("down 3-1", names, [section]) == (set(), "'down 3-1': the range '3-1' runs backwards.")


def test_stars_stand_for_any_text_of_a_whole_name():
    names = ["layers.0.attn1.to_q", "layers.0.attn2.to_q", "layers.1.attn1.to_k"]
    assert matching("*attn?.to_q", names) == (set(names[:2]), None)
    assert matching("layers.?.attn1.*", names)[0] == {names[0], names[2]}
    assert "'attn*' matches no module. Did you mean 'attn" in matching("attn*", names)[1]


@pytest.mark.parametrize(("text", "numbers"), [("0-3,5", [0, 1, 2, 3, 5]), ("7", [7]), (" 2 - 3 , 1", [2, 3, 1])])
def test_ranges(text, numbers):
    assert ranges(text) == (numbers, None)


@pytest.mark.parametrize("text", ["", "1-", "-1", "a", "1,,2"])
def test_ranges_that_cannot_be_read(text):
    assert ranges(text)[1]


def test_limits_of_a_pattern_are_said():
    names = ["layers.0.attn1.to_q"]
    section = Section("layers", r"^layers\.(\d+)\.")
    assert "'0-300000000' goes beyond 9,999" in matching("layers 0-300000000", names, [section])[1]
    assert matching("layers 0-9999", names, [section]) == ({names[0]}, None)
    for pattern in ("x" * 100_000, "/" + "x" * 100_000 + "/", "*" * 100_000):
        chosen, problem = matching(pattern, names)
        assert not chosen and "a pattern has 100,0" in problem and "may have 1,000" in problem and len(problem) < 200
    with pytest.raises(SettingsError, match="include has 100,000 characters"):
        TargetSpec(include=("x" * 100_000,))


def test_a_pattern_that_would_never_end_matches_nothing(parts):
    with pytest.raises(SettingsError, match="matches no module"):
        chosen(parts, include=[r"/(\w+\.?)+!/"])
    with pytest.raises(SettingsError, match="look-around"):
        chosen(parts, exclude=["/attn(?!1)/"])
