"""WD14 taggers on real ONNX files of the published layout."""

import json

import numpy as np
import pytest

from pack.tests.training.captioning.fakes import make_wd14
from pack.training.captioning.tag_rules import TagRules
from pack.training.captioning.wd14 import model_input, providers, read_tags, wd14_captioner
from pack.training.errors import ModelError

RED = np.zeros((448, 448, 3), np.uint8)
RED[:, :, 0] = 204


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_wd14(tmp_path_factory.mktemp("models") / "wd-tiny-tagger-v3")


def ask(folder, pixels, **rules):
    captioner = wd14_captioner(folder, TagRules(**rules), use_gpu=False)
    with captioner.loaded() as asked:
        answer = asked(pixels)
    return json.loads(answer), captioner.wording(answer)


def test_the_model_is_given_bgr_from_0_to_255(folder):
    answer, tags = ask(folder, RED)
    assert answer == {"0": 0.9, "1": 0.1, "2": 0.8, "5": 0.5, "6": 0.86}  # 204 / 255 in red only; zeros are not kept
    assert tags == ("hero (series)", "red tint", "o_o")


def test_a_wide_picture_gets_white_above_and_below(folder):
    wide = np.zeros((224, 448, 3), np.uint8)
    given = model_input(wide)
    assert given.shape == (1, 448, 448, 3) and given.dtype == np.float32
    assert (given[0, :112] == 255).all() and (given[0, 112:336] == 0).all() and (given[0, 336:] == 255).all()
    assert ask(folder, wide)[0]["4"] == pytest.approx(0.5, abs=1e-3)  # half of the square is white


@pytest.mark.parametrize("shape", [(100, 37), (37, 100), (1000, 900), (1, 1), (1, 5000), (448, 448), (449, 448)])
def test_any_size_fits(shape):
    pixels = np.full((*shape, 3), 255, np.uint8)
    given = model_input(pixels)
    assert given.shape == (1, 448, 448, 3) and given.min() >= 254 and given.max() <= 255


def test_colours_do_not_change_by_resizing():
    pixels = np.zeros((60, 60, 3), np.uint8) + np.array([10, 20, 30], np.uint8)
    assert (model_input(pixels)[0, 200, 200] == [30, 20, 10]).all()


def test_other_sides_and_missing_sigmoids(tmp_path):
    assert ask(make_wd14(tmp_path / "small", 64), RED)[0]["2"] == 0.8
    answer = ask(make_wd14(tmp_path / "logits", 64, logits=True), RED)[0]
    assert answer["2"] == pytest.approx(0.8, abs=1e-3) and answer["6"] == pytest.approx(0.86, abs=1e-3)


def test_files_of_different_models(tmp_path):
    with pytest.raises(ModelError, match="answers 7 tags, but selected_tags.csv beside it has 6.*Remove the folder"):
        ask(make_wd14(tmp_path / "mixed", 64, rows=6), RED)


def test_another_layout_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"model.onnx takes \[\['batch_size', 3, 64, 64\]\], not one picture"):
        ask(make_wd14(tmp_path / "nchw", 64, layout="NCHW"), RED)


def test_broken_files_are_named(tmp_path, folder):
    broken = make_wd14(tmp_path / "broken", 64)
    (broken / "model.onnx").write_bytes(b"half a download")
    with pytest.raises(ModelError, match="Auto Caption: broken/model.onnx cannot be loaded"):
        ask(broken, RED)
    for content in (b"", b"\xff\xfe\x00", b"a,b\n1,2\n", b"name,category\nx,general\n", b"tag_id,name,category,count\n1\n"):
        (broken / "selected_tags.csv").write_bytes(content)
        with pytest.raises(ModelError, match="broken/selected_tags.csv"):
            read_tags(broken / "selected_tags.csv")


def test_the_identity_follows_the_files_not_the_rules(tmp_path):
    folder = make_wd14(tmp_path / "model", 64)
    first = wd14_captioner(folder, TagRules()).identity
    assert wd14_captioner(folder, TagRules(general_threshold=0.9)).identity == first
    (folder / "model.onnx").write_bytes(b"another")
    assert wd14_captioner(folder, TagRules()).identity != first


def test_providers():
    available = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    assert providers(available, True) == ["CUDAExecutionProvider", "CPUExecutionProvider"]
    assert providers(available, False) == ["CPUExecutionProvider"] == providers(["CPUExecutionProvider"], True)
