"""Sample prompts from a file: kohya's lines, plain ones, JSON, and what is wrong with them by line."""

import pytest

from pack.training.errors import SettingsError
from pack.training.presets.prompt_file import read_prompts
from pack.training.specs import OwnSettings, SamplingSpec


def read(tmp_path, text: str, name: str = "prompts.txt"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_prompts(path)


def test_lines(tmp_path):
    found = read(tmp_path, "\ufeff# my prompts\n\na cat -- on a mat --n blurry, bad --w 768 --h 512 --d 7 --l 6.5 --s 30\n"
                           "  plain --d 3\na, b\n")
    assert found.prompts == ("a cat -- on a mat", "plain", "a, b")
    assert found.own == (OwnSettings(negative="blurry, bad", width=768, height=512, seed=7, cfg=6.5, sampling_steps=30),
                         OwnSettings(seed=3), OwnSettings())


def test_json(tmp_path):
    found = read(tmp_path, '["a", {"prompt": "b", "negative_prompt": "n", "scale": 5, "sample_steps": 4, "seed": 1}]', "p.json")
    assert found.prompts == ("a", "b")
    assert found.own == (OwnSettings(), OwnSettings(negative="n", cfg=5.0, sampling_steps=4, seed=1))


def test_how_each_is_sampled():
    sampling = SamplingSpec(prompts=("a", "b"), seed=40, own=(OwnSettings(), OwnSettings(seed=7, width=1024, cfg=1.0)))
    assert [(one.seed, one.width, one.cfg, one.prompts) for one in sampling.each()] == [
        (40, 512, 7.0, ("a", "b")), (7, 1024, 1.0, ("a", "b"))]
    assert sampling.largest().width == 1024 and SamplingSpec(prompts=("a", "b"), seed=40).one(1).seed == 41


@pytest.mark.parametrize(("text", "said"), [
    ("a\nb --w wide", "line 2 of prompts.txt: --w is 'wide', which is no whole number"),
    ("a --g 3", "line 1 of prompts.txt: --g is not read here. These are: --n, --w, --h, --d, --l, --s"),
    ("a --w 500", "line 1 of prompts.txt: width is 500 but must be a multiple of 8"),
    ("a --l 400", "line 1 of prompts.txt: cfg is 400 but must be from 0 to 100"),
    ("a\n--n only", "line 2 of prompts.txt has no prompt before its options"), ("# nothing", "holds no prompt"),
    ("a\n" * 201, "holds 201 prompts, but may hold 200"),
])  # fmt: skip
def test_what_is_wrong_is_told_by_line(tmp_path, text, said):
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, text)
    assert said in " ".join(caught.value.problems)


def test_a_seed_keeps_all_its_digits(tmp_path):
    for text, name in (("a --d 9007199254740993", "p.txt"), ('[{"prompt": "a", "seed": 9007199254740993}]', "p.json")):
        assert read(tmp_path, text, name).own[0].seed == 9007199254740993


@pytest.mark.parametrize(("text", "said"), [
    ("[1]", "entry 1 of p.json must be a text"), ("{", "is no JSON"),
    ('[{"prompt": "a", "clip": 2}]', "entry 1 of p.json: clip is not read"),
    ('[{"prompt": "a", "seed": null}]', "seed is 'None'"),
    ('[{"prompt": "a", "width": 768.5}]', "width is '768.5', which is no whole number"),
    ('[{"prompt": "a", "seed": true}]', "seed is 'True', which is no whole number"),
    ('[{"prompt": "a", "seed": Infinity}]', "seed is 'inf', which is no whole number"),
])  # fmt: skip
def test_what_is_wrong_with_json(tmp_path, text, said):
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, text, "p.json")
    assert said in " ".join(caught.value.problems)


def test_no_text(tmp_path):
    (tmp_path / "x.txt").write_bytes(b"\xff\xfe\x00")
    for name in ("x.txt", "absent.txt"):
        with pytest.raises(SettingsError, match="cannot be read as UTF-8 text"):
            read_prompts(tmp_path / name)
